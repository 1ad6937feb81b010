import { join } from 'node:path';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { keepReplaying } from '#libs/accounts/keep-replaying.ts';
import { createTokenVault } from '#libs/accounts/token-vault.ts';
import type { Config } from '#libs/config/config.ts';
import { announceKeys } from '#libs/deployment/key-holders.ts';
import { createCounts } from '#libs/insight/counts.ts';
import { startTracing } from '#libs/insight/tracing.ts';
import { watchRefreshes, watchXCalls } from '#libs/insight/watch-x.ts';
import { createJobCalls } from '#libs/jobs/job-calls.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { createSpend } from '#libs/jobs/spend.ts';
import { createUploadStore } from '#libs/jobs/upload-store.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import type { Log } from '#libs/log/log.ts';
import { createBlockPool } from '#libs/media/blocks.ts';
import { createMediaFetcher } from '#libs/media/fetch-media.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import { createAccountPlaces } from '#libs/publish/account-places.ts';
import { createGate } from '#libs/publish/gate.ts';
import { createMediaMemory } from '#libs/publish/media-memory.ts';
import type { PublishDeps } from '#libs/publish/publisher.ts';
import { followRedisClock } from '#libs/redis/clock.ts';
import type { RedisConnection } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { usualPrices } from '#libs/x-api/limits.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import type { WorkerTimings } from './timings.ts';

/** Opens all that carrying jobs to X needs; what has to be closed again goes to the stack. */
export async function createPublishDeps(
  config: Config,
  log: Log,
  redis: RedisConnection,
  stack: AsyncDisposableStack,
  timings: WorkerTimings,
): Promise<PublishDeps> {
  const sealer = createSealer(config.secrets.tokenKeys);
  stack.use(await announceKeys(redis, config.secrets.tokenKeys));
  const { now } = stack.use(await followRedisClock(redis));
  const wakeUps = stack.use(createWakeUps({ redis, now }));
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
  stack.use(
    await keepReplaying({
      vault,
      redis,
      onFailure: (err) => log.warn({ err }, 'Tokens in the spool cannot be stored yet'),
    }),
  );
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
    mediaMemory: createMediaMemory({ redis, now }),
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
    now,
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
