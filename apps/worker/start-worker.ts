import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DelayedError, type Job as QueueEntry, Worker } from 'bullmq';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { createTokenVault } from '#libs/accounts/token-vault.ts';
import type { Config, QueueName } from '#libs/config/config.ts';
import { announceKeys } from '#libs/deployment/key-holders.ts';
import { createCounts } from '#libs/insight/counts.ts';
import { startTracing } from '#libs/insight/tracing.ts';
import { watchRefreshes, watchXCalls } from '#libs/insight/watch-x.ts';
import { signOfLife } from '#libs/insight/workers.ts';
import { createJobCalls } from '#libs/jobs/job-calls.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { createSpend } from '#libs/jobs/spend.ts';
import { createUploadStore } from '#libs/jobs/upload-store.ts';
import { createWakeUps, type WakeUpData } from '#libs/jobs/wake-up.ts';
import type { Log } from '#libs/log/log.ts';
import { createBlockPool } from '#libs/media/blocks.ts';
import { createMediaFetcher } from '#libs/media/fetch-media.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import type { PaceLimits } from '#libs/media/pace.ts';
import { createAccountPlaces } from '#libs/publish/account-places.ts';
import { createGate } from '#libs/publish/gate.ts';
import { createMediaMemory } from '#libs/publish/media-memory.ts';
import type { PublishDeps, RunContext, RunResult } from '#libs/publish/publisher.ts';
import { replayOutcomes } from '#libs/publish/replay-outcomes.ts';
import { runItem } from '#libs/publish/run-item.ts';
import { runTweet } from '#libs/publish/run-tweet.ts';
import { sweep } from '#libs/publish/sweep.ts';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { usualPrices } from '#libs/x-api/limits.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import { closeQueue, createRuns } from './close-queue.ts';
import { createLease } from './lease.ts';
import { tracedRun } from './traced-run.ts';
import { type Trust, watchTrust } from './trust.ts';

/** How soon somebody else goes on where a worker was lost. */
export interface WorkerTimings {
  /** How long the queue keeps an entry for a worker that says nothing. */
  readonly lockMs: number;
  /** How often the queue is searched for entries whose worker says nothing. */
  readonly stalledEveryMs: number;
  readonly sweepEveryMs: number;
  /** How often files are looked for that no post wants any more; every ten minutes where nothing is said. */
  readonly tidyEveryMs?: number;
  /** How slow a download of media may be; as production has it where nothing is said. */
  readonly pace?: Partial<PaceLimits>;
}

const usualTimings: WorkerTimings = { lockMs: 30_000, stalledEveryMs: 15_000, sweepEveryMs: 10_000 };
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
  const deps = await createDeps(config, log, redis, stack, timings);
  await replayOutcomes(deps);
  const trust = stack.use(await watchTrust({ ...deps, redis, dataDir: config.dataDir, log }));
  stack.use(await signOfLife({ redis, queues: config.worker.queues }));
  const stopping = new AbortController();

  for (const queue of config.worker.queues)
    stack.use(serve({ queue, config, deps, stopping: stopping.signal, trust, log, redis, timings }));
  const timer = setInterval(() => void sweepOnce(deps, log), timings.sweepEveryMs);
  void sweepOnce(deps, log);
  stack.defer(() => clearInterval(timer));
  void tidyOnce(deps, log);
  const tidying = setInterval(() => void tidyOnce(deps, log), timings.tidyEveryMs ?? usualTidyMs);
  stack.defer(() => clearInterval(tidying));
  // Disposed of first: work in progress hears of it before the queues wait for it.
  stack.defer(() => stopping.abort(new Error('the worker is stopping')));
  const running = stack.move();
  return { queues: config.worker.queues, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function createDeps(
  config: Config,
  log: Log,
  redis: RedisConnection,
  stack: AsyncDisposableStack,
  timings: WorkerTimings,
): Promise<PublishDeps> {
  const sealer = createSealer(config.secrets.tokenKeys);
  stack.use(await announceKeys(redis, config.secrets.tokenKeys));
  const wakeUps = stack.use(createWakeUps({ redis }));
  const jobs = createJobStore({
    redis,
    sealer,
    onTurn: (...next) => void wakeUps.turn(...next).catch(() => {}),
  });
  const counts = stack.use(createCounts({ redis }));
  const calls = stack.use(createJobCalls({ redis }));
  const tracing = stack.use(
    await startTracing(config.operate.tracing, {
      service: 'post-to-x-worker',
      onFailure: (error) => log.warn({ err: error }, 'Traces are not taken, and are lost meanwhile'),
    }),
  );
  const watch = { counts, tracing };
  const x = stack.use(createXApi({ apiUrl: config.x.apiUrl, observe: watchXCalls(watch) }));
  const spool = stack.use(await openSpool(join(config.dataDir, 'spool'), sealer));
  const oauth = watchRefreshes(createXOAuth({ ...config.x, redirectUri: config.x.redirectUri ?? '' }), watch);
  const accounts = createAccountStore({ redis, sealer });
  const vault = stack.use(createTokenVault({ accounts, oauth, spool, redis }));
  await vault.replaySpool();
  const blocks = createBlockPool();
  const mediaStore = createMediaStore({ dataDir: config.dataDir, maxBytes: config.mediaDiskBytes });
  const uploads = createUploadStore({ redis });
  return {
    jobs,
    x,
    spool,
    vault,
    mediaStore,
    uploads,
    ffmpeg: config.searchPath === null ? {} : { searchPath: config.searchPath },
    mediaMemory: createMediaMemory({ redis }),
    wakeUps,
    gate: createGate({ redis }),
    places: createAccountPlaces({ redis, leaseMs: timings.lockMs }),
    fetcher: stack.use(
      createMediaFetcher({
        trustedHosts: config.mediaTrustedHosts,
        ownHosts: ownHosts(config),
        blocks,
        ...(timings.pace && { pace: timings.pace }),
      }),
    ),
    blocks,
    spend: createSpend({ redis, budgets: config.spend }),
    prices: { ...usualPrices, ...config.spend.prices },
    policy: config.publish,
    counts,
    calls,
    tracing,
    report: ({ jobId, level, message, error, fields }) =>
      log[level]({ jobId, ...fields, err: error }, message),
  };
}

function ownHosts(config: Config): string[] {
  return config.http.publicUrl ? [new URL(config.http.publicUrl).host] : [];
}

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
function serve({ queue, config, deps, stopping, trust, log, redis, timings }: ServeOptions): AsyncDisposable {
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
        if (wakeAt !== null) await sleepUntil(entry, wakeAt, token);
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

/** The entry waits without holding a slot, and without counting as an attempt. */
async function sleepUntil(
  entry: QueueEntry<WakeUpData>,
  at: number,
  token: string | undefined,
): Promise<never> {
  await entry.moveToDelayed(Math.max(at, Date.now() + 1), token);
  throw new DelayedError();
}

async function sweepOnce(deps: PublishDeps, log: Log): Promise<void> {
  await sweep(deps).catch((error: unknown) =>
    log.warn({ err: error }, 'The sweep could not be finished; the next one follows'),
  );
}

/** Whoever ends a job removes its files, unless it dies first; and uploads that no post asked for end some day. */
async function tidyOnce({ mediaStore, jobs, uploads }: PublishDeps, log: Log): Promise<void> {
  const isWanted = async (name: string) => (await jobs.isOpen(name)) || (await uploads.exists(name));
  await mediaStore
    .janitor(isWanted)
    .catch((error: unknown) => log.warn({ err: error }, 'Files of ended posts could not be removed'));
}
