import { createPublishDeps } from '#apps/worker/publish-deps.ts';
import { usualTimings } from '#apps/worker/timings.ts';
import { loadConfig } from '#libs/config/config.ts';
import type { PublishDeps, PublishEvent, RunResult } from '#libs/publish/publisher.ts';
import { runItem } from '#libs/publish/run-item.ts';
import { runTweet } from '#libs/publish/run-tweet.ts';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import type { System } from './system.ts';

interface Run {
  /** Of the job's media; the post itself where none is named. */
  readonly index?: number;
  readonly mayAct?: boolean;
}

/** A worker that does nothing by itself: each run on an entry is the test's word. */
export interface WorkerByHand extends AsyncDisposable {
  readonly deps: PublishDeps;
  readonly redis: RedisConnection;
  /** What it has reported. */
  readonly events: readonly PublishEvent[];
  /** One run, counted as a start of its own however soon it follows; answers when it is to be woken again. */
  run(jobId: string, how?: Run): Promise<RunResult>;
}

/** Opens all that a worker of a system has. */
export async function openWorkerByHand(
  system: System,
  environment: Readonly<Record<string, string>> = {},
): Promise<WorkerByHand> {
  await using stack = new AsyncDisposableStack();
  const config = loadConfig({ ...system.environment, ...environment }, 'worker');
  const redis = stack.use(await connectRedis(config.redisUrl ?? '', 'wait'));
  const opened = await createPublishDeps(config, system.log, redis, stack, usualTimings);
  const events: PublishEvent[] = [];
  const deps: PublishDeps = { ...opened, report: (event) => void events.push(event) };
  const resources = stack.move();
  return {
    deps,
    redis,
    events,
    async run(jobId, { index, mayAct = true } = {}) {
      const record = `job:${jobId}`;
      await redis.hset(record, index === undefined ? 'started_at' : `item:${index}:started_at`, 0);
      const context = { signal: new AbortController().signal, mayAct: () => mayAct };
      return index === undefined
        ? await runTweet(deps, jobId, context)
        : await runItem(deps, jobId, index, context);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
