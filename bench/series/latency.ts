import { Queue } from 'bullmq';
import { startProgram } from '../program.ts';
import type { Series } from '../row.ts';
import { quantile } from '../statistics.ts';
import { forget, seenBy, sharedNow, signIn, startWorld, until, type World } from '../world.ts';

const rounds = 150;

/** On an idle system: from sending the request until the post arrives at X. */
export const latency: Series = {
  name: 'latency',
  title: 'From the request to the POST at X, idle system',
  async run() {
    await using world = await startWorld();
    await using api = await world.startApi();
    await using _worker = await world.startWorker();
    await using _bare = await startProgram('bench/programs/bare-processor.ts', [world.redisUrl]);
    const queue = new Queue<{ key: string }>('bare-latency', { connection: world.redis });
    const token = await signIn(api.url, 1);
    const [ours, bare]: [number[], number[]] = [[], []];
    for (let round = -10; round < rounds; round++) {
      const own = await postOnce(world, api.url, token, round);
      const other = await processOnce(world, queue);
      if (round < 0) continue;
      ours.push(own);
      bare.push(other);
    }
    await queue.close();
    const row = (what: string, share: number, atMost: number) => ({
      what,
      unit: 'ms',
      ours: quantile(ours, share),
      baseline: quantile(bare, share),
      goal: { atMost },
    });
    return [row('p50', 0.5, 10), row('p95', 0.95, 25)];
  },
};

async function postOnce(world: World, url: string, token: string, round: number): Promise<number> {
  await forget(world.x);
  const sentAt = sharedNow();
  const answer = await fetch(`${url}/postTweet`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ text: `An idle thought, number ${round}`, wait_seconds: 0 }),
  });
  await answer.text();
  const arrived = await until(async () => (await seenBy(world.x)).creates[0] ?? null, 10);
  await until(async () => ((await world.redis.zcard('jobs:open')) === 0 ? true : null), 5);
  return arrived - sentAt;
}

async function processOnce(world: World, queue: Queue<{ key: string }>): Promise<number> {
  const key = `bare:${crypto.randomUUID()}`;
  const sentAt = sharedNow();
  await queue.add('wake', { key });
  const arrived = await until(async () => await world.redis.lpop(key), 5);
  return Number(arrived) - sentAt;
}
