import type { Wish } from './callers.ts';
import type { World } from './world.ts';

/** What is known of one job: its moves and calls by its record, and what X saw of it. */
export async function explainJob(world: World, { jobId, marks, plan, caller }: Wish): Promise<string[]> {
  const { account } = await caller.session();
  const told = await world.atRedis(async (redis) => [
    JSON.stringify(await redis.hgetall(`job:${jobId}`)),
    ...(await redis.lrange(`job:${jobId}:history`, 0, '-1')),
    ...(await redis.lrange(`job:${jobId}:calls`, 0, '-1')),
  ]);
  const { state } = world.simulator;
  const seen = state.requests.all
    .filter(({ userId, bodyText }) => userId === account.id && marks.some((mark) => bodyText?.includes(mark)))
    .map(({ receivedAt, endpoint, phase, status, durationMs, fault }) =>
      [receivedAt, endpoint, phase, status, `${durationMs} ms`, fault].join(' '),
    );
  const logged = world.outputs.flat().filter((line) => line.includes(jobId) && !line.includes('"Answered"'));
  return [`  ${plan.kind}`, ...told, ...seen, ...logged].map((line) => `    ${line}`);
}
