import { DelayedError, type Job as QueueEntry, Worker } from 'bullmq';
import type { Config, QueueName } from '#libs/config/config.ts';
import type { WakeUpData } from '#libs/jobs/wake-up.ts';
import type { Log } from '#libs/log/log.ts';
import type { PublishDeps, RunContext, RunResult } from '#libs/publish/publisher.ts';
import { runItem } from '#libs/publish/run-item.ts';
import { runTweet } from '#libs/publish/run-tweet.ts';
import type { RedisConnection } from '#libs/redis/connect.ts';
import { closeQueue, createRuns } from './close-queue.ts';
import { createLease } from './lease.ts';
import type { WorkerTimings } from './timings.ts';
import { tracedRun } from './traced-run.ts';
import type { Trust } from './trust.ts';

interface ServeOptions {
  readonly queue: QueueName;
  readonly config: Config;
  readonly deps: PublishDeps;
  readonly stopping: AbortSignal;
  readonly trust: Trust;
  readonly log: Log;
  readonly redis: RedisConnection;
  readonly timings: WorkerTimings;
}

/** One BullMQ worker on one queue: each entry is a wake-up for a run, and goes back to sleep when the run says so. */
export function serveQueue({
  queue,
  config,
  deps,
  stopping,
  trust,
  log,
  redis,
  timings,
}: ServeOptions): AsyncDisposable {
  const { lockMs, stalledEveryMs } = timings;
  const lease = createLease(lockMs);
  const runs = createRuns();
  const worker = new Worker<WakeUpData>(
    queue,
    async (entry, token, signal) => {
      using _counted = runs.begin();
      const context: RunContext = {
        signal: signal ? AbortSignal.any([signal, stopping]) : stopping,
        mayAct: () => !stopping.aborted && trust.holds() && lease.holds(entry.id),
      };
      lease.begin(entry.id);
      try {
        const wakeAt = await tracedRun(deps, entry, () => run(deps, entry, context));
        if (wakeAt !== null) await sleepUntil(entry, wakeAt - deps.now() + Date.now(), token);
      } finally {
        lease.end(entry.id);
      }
    },
    {
      connection: redis,
      concurrency: config.worker.concurrency,
      lockDuration: lockMs,
      stalledInterval: stalledEveryMs,
      maxStalledCount: 2,
      // Shorter blocking reads notice sooner that the worker should stop.
      drainDelay: 5,
    },
  );
  worker.on('locksRenewed', ({ jobIds }) => lease.renewed(jobIds));
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id, 'the lock on this entry was lost');
  });
  worker.on('failed', (entry, error) => {
    if (!stopping.aborted)
      log.warn(
        { queue, jobId: entry?.data.job_id, err: error },
        'A run ended with an error; the sweeper will bring the job back',
      );
  });
  let away = false;
  worker.on('error', (error) => {
    if (!away) log.warn({ queue, err: error }, 'The queue cannot be read; trying again');
    away = true;
  });
  worker.on('active', () => {
    away = false;
  });
  return { [Symbol.asyncDispose]: () => closeQueue(worker, runs) };
}

function run(deps: PublishDeps, entry: QueueEntry<WakeUpData>, context: RunContext): Promise<RunResult> {
  const { job_id: jobId, index } = entry.data;
  return index === undefined ? runTweet(deps, jobId, context) : runItem(deps, jobId, index, context);
}

/** By the clock of this process, as the queue goes by it. The entry waits without holding a slot, and without counting as an attempt. */
async function sleepUntil(
  entry: QueueEntry<WakeUpData>,
  at: number,
  token: string | undefined,
): Promise<never> {
  await entry.moveToDelayed(Math.max(at, Date.now() + 1), token);
  throw new DelayedError();
}
