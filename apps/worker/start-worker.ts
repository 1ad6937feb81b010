import { mkdir } from 'node:fs/promises';
import type { Config, QueueName } from '#libs/config/config.ts';
import { signOfLife } from '#libs/insight/workers.ts';
import type { Log } from '#libs/log/log.ts';
import type { PublishDeps } from '#libs/publish/publisher.ts';
import { replayOutcomes } from '#libs/publish/replay-outcomes.ts';
import { sweep } from '#libs/publish/sweep.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createPublishDeps } from './publish-deps.ts';
import { serveQueue } from './serve-queue.ts';
import { usualTimings, type WorkerTimings } from './timings.ts';
import { watchTrust } from './trust.ts';

const usualTidyMs = 10 * 60_000;

export interface RunningWorker extends AsyncDisposable {
  readonly queues: readonly QueueName[];
}

/** Starts serving the configured queues; disposing of it lets running work reach its next boundary first. */
export async function startWorker(
  config: Config,
  log: Log,
  timings: WorkerTimings = usualTimings,
): Promise<RunningWorker> {
  if (!config.redisUrl) throw new TypeError('a worker needs a Redis');
  await using stack = new AsyncDisposableStack();
  await mkdir(config.dataDir, { recursive: true });
  const redis = stack.use(await connectRedis(config.redisUrl, 'wait'));
  const deps = await createPublishDeps(config, log, redis, stack, timings);
  await replayOutcomes(deps);
  const trust = stack.use(await watchTrust({ ...deps, redis, dataDir: config.dataDir, log }));
  stack.use(await signOfLife({ redis, queues: config.worker.queues }));
  const stopping = new AbortController();

  const served = config.worker.queues.map((queue) =>
    serveQueue({ queue, config, deps, stopping: stopping.signal, trust, log, redis, timings }),
  );
  // At once: while one of them waited for a post on its way, another would take up work only to put it down again.
  stack.defer(async () => void (await Promise.all(served.map((queue) => queue[Symbol.asyncDispose]()))));
  const sweepOnce = oneAtATime(() =>
    sweep(deps, stopping.signal).catch((error: unknown) =>
      log.warn({ err: error }, 'The sweep could not be finished; the next one follows'),
    ),
  );
  const timer = setInterval(sweepOnce, timings.sweepEveryMs);
  sweepOnce();
  stack.defer(() => clearInterval(timer));
  const tidyOnce = oneAtATime(() => tidy(deps, log));
  tidyOnce();
  const tidying = setInterval(tidyOnce, timings.tidyEveryMs ?? usualTidyMs);
  stack.defer(() => clearInterval(tidying));
  // Disposed of first: work in progress hears of it before the queues wait for it.
  stack.defer(() => {
    stopping.abort(new Error('the worker is stopping'));
    deps.vault.leave();
  });
  const running = stack.move();
  return { queues: config.worker.queues, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** While Redis is away a round takes as long as that: those that would begin meanwhile are left out. */
function oneAtATime(act: () => Promise<void>): () => void {
  let isBusy = false;
  return () => {
    if (isBusy) return;
    isBusy = true;
    void act().finally(() => {
      isBusy = false;
    });
  };
}

/**
 * What was left lying. Whoever ends a job removes its files, unless it dies first; uploads that no post asked for end
 * some day; and an outcome that Redis did not take for so long that its run gave up is still in the spool.
 */
async function tidy(deps: PublishDeps, log: Log): Promise<void> {
  const { mediaStore, jobs, uploads } = deps;
  const isWanted = async (name: string) => (await jobs.isOpen(name)) || (await uploads.exists(name));
  await mediaStore
    .janitor(isWanted)
    .catch((error: unknown) => log.warn({ err: error }, 'Files of ended posts could not be removed'));
  await replayOutcomes(deps).catch((error: unknown) =>
    log.warn({ err: error }, 'Outcomes in the spool cannot be stored yet'),
  );
}
