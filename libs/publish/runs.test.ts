import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { createTokenVault } from '#libs/accounts/token-vault.ts';
import { startTracing } from '#libs/insight/tracing.ts';
import type { MediaItem } from '#libs/jobs/job.ts';
import { neverTried } from '#libs/jobs/job-record.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import type { MediaSource } from '#libs/jobs/order.ts';
import { createSpend } from '#libs/jobs/spend.ts';
import { acceptedId, orderOf } from '#libs/jobs/test-order.ts';
import { createUploadStore } from '#libs/jobs/upload-store.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { createBlockPool } from '#libs/media/blocks.ts';
import { createMediaFetcher } from '#libs/media/fetch-media.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { createXApi } from '#libs/x-api/client.ts';
import { usualPrices } from '#libs/x-api/limits.ts';
import { createXOAuth } from '#libs/x-api/oauth.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createAccountPlaces } from './account-places.ts';
import { createGate } from './gate.ts';
import { createMediaMemory } from './media-memory.ts';
import type { PublishDeps } from './publisher.ts';
import { runItem } from './run-item.ts';
import { runTweet } from './run-tweet.ts';
import { toError } from './x-call.ts';

const { redis } = await useOwnRedis();
const stack = new AsyncDisposableStack();
afterAll(() => stack.disposeAsync());
const dataDir = await mkdtemp(join(tmpdir(), 'runs-'));
stack.defer(() => rm(dataDir, { recursive: true }));
const sealer = createSealer([{ kid: 'k', key: randomBytes(32) }]);
const wakeUps = stack.use(createWakeUps({ redis }));
/** X is out of reach: nothing here comes so far as to ask it. */
const nowhere = 'http://127.0.0.1:9';
const x = stack.use(createXApi({ apiUrl: nowhere }));
const spool = stack.use(await openSpool(join(dataDir, 'spool'), sealer));
const jobs = createJobStore({ redis, sealer });
const oauth = createXOAuth({
  apiUrl: nowhere,
  authorizeUrl: nowhere,
  clientId: 'c',
  clientSecret: 's',
  redirectUri: nowhere,
});
const fetcher = stack.use(createMediaFetcher({ trustedHosts: [] }));
const deps: PublishDeps = {
  jobs,
  wakeUps,
  x,
  spool,
  fetcher,
  vault: stack.use(
    createTokenVault({ accounts: createAccountStore({ redis, sealer }), oauth, spool, redis }),
  ),
  gate: createGate({ redis }),
  places: createAccountPlaces({ redis, leaseMs: 30_000 }),
  mediaStore: createMediaStore({ dataDir }),
  blocks: createBlockPool(),
  uploads: createUploadStore({ redis }),
  ffmpeg: {},
  mediaMemory: createMediaMemory({ redis }),
  spend: createSpend({ redis, budgets: { perAccountUsd: null, deploymentUsd: null } }),
  prices: usualPrices,
  policy: { resendPolicy: 'once', confirmAfterMs: 60_000, giveUpAfterMs: 3_600_000 },
  counts: { add: () => {}, time: () => {} },
  tracing: await startTracing(null, { service: 'test', onFailure: () => {} }),
  calls: { tell: () => {} },
  report: () => {},
  now: Date.now,
};
const context = { signal: new AbortController().signal, mayAct: () => true };

async function accept(media: MediaSource[] = []): Promise<string> {
  return await acceptedId(jobs, {
    order: orderOf('Hello', { posts: [{ text: 'Hello', media, altTexts: [] }] }),
  });
}

/** Runs again and again, each time as after a crash. */
async function crashOften(jobId: string): Promise<void> {
  for (let run = 0; run < 10; run++) {
    await runTweet(deps, jobId, context).catch(() => {});
    await redis.hset(`job:${jobId}`, 'started_at', 0);
  }
}

it('a run that has lost its media item to another neither fails the post nor removes the files', async () => {
  const stuck = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const fetch = async () => {
    begun.resolve();
    await stuck.promise;
    throw new ProblemError('media_timeout', 'The host sends too slowly.');
  };
  const jobId = await accept([{ kind: 'url', url: 'https://media.example/a.png' }]);
  const frozen = runItem({ ...deps, fetcher: { ...fetcher, fetch } }, jobId, 0, context);
  await begun.promise;
  const item = (await jobs.claimItem(jobId, 0, 'heir'))?.job.media[0] as MediaItem;
  const file = join(await deps.mediaStore.folder(jobId), '0');
  await writeFile(file, 'bytes');
  await jobs.saveItem(jobId, 0, 'heir', { ...item, stage: 'ready' }, { step: 'ready', passed: true });
  await jobs.move(jobId, 'prepared');
  stuck.resolve();
  expect(await frozen).toBeNull();
  expect(await jobs.find(jobId)).toMatchObject({ state: 'ready', error: null });
  expect(existsSync(file)).toBe(true);
});

it('a post that may be on X since Redis went back, and that cannot be read here, is left to its user in the end', async () => {
  const jobId = await accept();
  await redis.hset(`job:${jobId}`, 'order', 'damaged');
  await jobs.distrust();
  await crashOften(jobId);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'unconfirmed' });
  expect(await redis.smembers('open:7')).toEqual([]);
});

const itemOf = async (jobId: string) => (await jobs.find(jobId))?.media[0];
const expires = (jobId: string, at: number) => redis.hset(`job:${jobId}`, { expires_at: at });

it('a post whose gate opens only after it has expired is looked at when it expires, and ends then', async () => {
  const jobId = await accept();
  const expiresAt = Date.now() + 600_000;
  await expires(jobId, expiresAt);
  const closed = { open: false, until: expiresAt + 3_600_000, waitMs: 4_200_000, reason: 'limit' } as const;
  const sends = { accessToken: async () => Promise.reject(toError(closed)) };
  const late = { ...deps, vault: { ...deps.vault, ...sends } };
  expect(await runTweet(late, jobId, context)).toBe(expiresAt);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'accepted', notBefore: expiresAt });
  await expires(jobId, Date.now() - 1);
  await redis.hset(`job:${jobId}`, { not_before: Date.now() - 1 });
  expect(await runTweet(late, jobId, context)).toBeNull();
  expect(await jobs.find(jobId)).toMatchObject({ state: 'failed', error: { code: 'expired' } });
});

it('a post with media that waits is looked at when it expires, and ends then', async () => {
  const jobId = await accept([{ kind: 'url', url: 'https://media.example/a.png' }]);
  const expiresAt = Date.now() + 3000;
  await expires(jobId, expiresAt);
  const fetch = async () => Promise.reject(new ProblemError('storage_full', 'There is no room.'));
  const full = { ...deps, fetcher: { ...fetcher, fetch } };
  expect(await runItem(full, jobId, 0, context)).toBe(expiresAt);
  expect(await itemOf(jobId)).toMatchObject({ waitReason: 'storage', notBefore: expiresAt });
  await expires(jobId, Date.now() - 1);
  expect(await runItem(full, jobId, 0, context)).toBeNull();
  expect(await jobs.find(jobId)).toMatchObject({ state: 'failed', error: { code: 'expired' } });
});

it('a post that is sealed with a key that is gone ends when it expires', async () => {
  const jobId = await accept();
  const expiresAt = Date.now() + 2000;
  await expires(jobId, expiresAt);
  const other = createSealer([{ kid: 'other', key: randomBytes(32) }]);
  const keyless = { ...deps, jobs: createJobStore({ redis, sealer: other }) };
  expect(await runTweet(keyless, jobId, context)).toBe(expiresAt);
  await expires(jobId, Date.now() - 1);
  expect(await runTweet(keyless, jobId, context)).toBeNull();
  expect(await jobs.find(jobId)).toMatchObject({ state: 'failed', error: { code: 'expired' } });
});

it('a post that expires while it may be on X since Redis went back is looked for, and not called expired', async () => {
  const jobId = await accept();
  await expires(jobId, Date.now() - 1);
  await jobs.distrust();
  await runTweet(deps, jobId, context);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'confirming', error: null });
});

it('a post that has expired, may be on X since Redis went back, and is sealed with a key that is gone waits for the key', async () => {
  const jobId = await accept();
  await expires(jobId, Date.now() - 1);
  await jobs.distrust();
  const other = createSealer([{ kid: 'other', key: randomBytes(32) }]);
  const keyless = { ...deps, jobs: createJobStore({ redis, sealer: other }) };
  const before = Date.now();
  expect(await runTweet(keyless, jobId, context)).toBeGreaterThanOrEqual(before + 1000);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'accepted', waitReason: 'key', error: null });
});

it('a worker whose clock is ahead neither calls a post expired nor tries it without a pause', async () => {
  const ahead = { now: () => Date.now() + 60_000 };
  const expiresAt = Date.now() + 30_000;
  const other = createSealer([{ kid: 'other', key: randomBytes(32) }]);
  const keyless = { ...deps, ...ahead, jobs: createJobStore({ redis, sealer: other }) };
  const closed = { open: false, until: expiresAt + 3_600_000, waitMs: 4_200_000, reason: 'limit' } as const;
  const sends = { accessToken: async () => Promise.reject(toError(closed)) };
  const fetch = async () => Promise.reject(new ProblemError('storage_full', 'There is no room.'));
  const late = { ...deps, ...ahead, vault: { ...deps.vault, ...sends }, fetcher: { ...fetcher, fetch } };
  for (const worker of [keyless, late]) {
    const [plain, withMedia] = [
      await accept(),
      await accept([{ kind: 'url', url: 'https://media.example/a.png' }]),
    ];
    for (const jobId of [plain, withMedia]) await expires(jobId, expiresAt);
    const before = ahead.now();
    expect(await runTweet(worker, plain, context)).toBeGreaterThanOrEqual(before + 1000);
    expect(await runItem(worker, withMedia, 0, context)).toBeGreaterThanOrEqual(before + 1000);
    for (const jobId of [plain, withMedia])
      expect(await jobs.find(jobId)).toMatchObject({ state: 'accepted', error: null });
  }
});

/** A post in doubt that its user has left alone for more than a day. */
async function unsettledForADay(): Promise<string> {
  const jobId = await accept();
  const hoursAgo = (hours: number) => Date.now() - hours * 3_600_000;
  const ended = { state: 'unconfirmed', ended_at: hoursAgo(25), intent_at: hoursAgo(26) };
  await redis.hset(`job:${jobId}`, ended);
  return jobId;
}

/** A run of the post in which X tells these posts of its account. */
async function lookAtX(jobId: string, recentTweets: PublishDeps['x']['recentTweets']): Promise<void> {
  const vault = { ...deps.vault, accessToken: async () => 'token' };
  await runTweet({ ...deps, vault, x: { ...x, recentTweets } }, jobId, context);
}

it('a post that its user sends again during the last look at it stays in work', async () => {
  const jobId = await unsettledForADay();
  const recentTweets = async () => {
    await jobs.move(jobId, 'resolveResend', { cursor: 0, checkAfterMs: 5000, patch: neverTried });
    return [];
  };
  await lookAtX(jobId, recentTweets);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'ready' });
  expect(await jobs.isOpen(jobId)).toBe(true);
});

it('a post that nobody settled is not looked at any more after a day', async () => {
  const jobId = await unsettledForADay();
  await lookAtX(jobId, async () => []);
  expect(await jobs.find(jobId)).toMatchObject({ state: 'unconfirmed' });
  expect(await jobs.isOpen(jobId)).toBe(false);
});
