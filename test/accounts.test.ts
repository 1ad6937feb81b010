import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '#apps/api/start-api.ts';
import { answer, rateLimited } from '#apps/x-simulator/fault.ts';
import { loadConfig } from '#libs/config/config.ts';
import { hasEnded } from '#libs/jobs/job.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { acceptedId, orderOf } from '#libs/jobs/test-order.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openAccounts } from './open-accounts.ts';
import { quickTimings } from './quick-timings.ts';
import { startRedisRelay } from './redis-relay.ts';
import { type Session, type System, startSystem } from './system.ts';

interface Me {
  readonly connected: boolean;
  readonly scopes: readonly string[];
  readonly account: Session['account'];
}
interface Disconnected {
  readonly message: string;
  readonly canceled_jobs: number;
  readonly revoked_at_x: boolean;
}
interface Problem {
  readonly code: string;
  readonly detail: string;
}

let system: System;
let vault: Awaited<ReturnType<typeof openAccounts>>;
beforeAll(async () => {
  system = await startSystem({ timings: quickTimings });
  vault = await openAccounts(system);
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});
afterEach(() => system.simulator.reset());

const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();
const schedule = (session: Session, text: string, more: object = {}) =>
  session.request('POST', '/postTweet', { text, publish_at: tomorrow(), ...more });
const tweetsOf = (session: Session) => system.simulator.state.tweets.visible(session.account.id);
const refreshes = () =>
  system.simulator.state.requests.all.filter((request) =>
    request.bodyText?.includes('grant_type=refresh_token'),
  );
const refreshOurs = (session: Session) =>
  fetch(`${system.url}/oauth/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh_token: session.refreshToken }),
  });
/** The person takes back at X what the app may do. */
const revokeAtX = ({ account }: Session) => system.simulator.state.grants.disconnect(account.id);

describe('DELETE /me', () => {
  it('revokes at X, wipes the tokens, cancels open jobs with their media, and ends our tokens at once', async () => {
    const session = await system.connect();
    const before = await session.request<Me>('GET', '/me');
    expect(before.body).toMatchObject({ connected: true, account: session.account });
    expect(before.body.scopes).toContain('media.write');
    const stored = await vault.accounts.tokens.read(session.account.id);
    const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#123456' } })
      .png()
      .toBuffer();
    system.mediaHost.files.set('/later.png', picture);
    const later = await schedule(session, 'Later', { media_url: system.mediaHost.url('/later.png') });
    expect(later.status).toBe(202);
    await schedule(session, 'Later still');
    const folder = join(system.dataDir, 'media', later.body.job_id);
    const [item] = await isFetched(session, later.body.job_id);
    expect(item).toMatchObject({ kind: 'image', status: 'waiting' });
    expect(await exists(folder)).toBe(true);

    const gone = await session.request<Disconnected>('DELETE', '/me');
    expect(gone.status).toBe(200);
    expect(gone.body).toMatchObject({ canceled_jobs: 2, revoked_at_x: true });
    expect(gone.body.message).toContain(`@${session.account.username}`);

    expect((await session.request('GET', '/me')).status).toBe(401);
    expect((await refreshOurs(session)).status).toBe(400);
    expect(await vault.redis.exists(`account:${session.account.id}`)).toBe(0);
    expect(system.simulator.state.grants.findAccess(stored?.accessToken ?? '')).toBeNull();
    const revoked = system.simulator.state.requests.all.filter(({ path }) => path === '/2/oauth2/revoke');
    expect(revoked.map(({ bodyText }) => new URLSearchParams(bodyText ?? '').get('token'))).toEqual([
      stored?.refreshToken,
      stored?.accessToken,
    ]);
    await waitUntil(async () => !(await exists(folder)));

    // Whoever signs in again with the same X user sees how the jobs ended.
    const again = await system.connect();
    expect((await again.request('GET', `/jobs/${later.body.job_id}`)).body.status).toBe('canceled');
    expect(tweetsOf(again)).toEqual([]);
  });

  it('lets nothing out that was accepted in the very moment in which the open posts are counted', async () => {
    const session = await system.connect();
    const { id, username } = session.account;
    await using relay = await startRedisRelay(system.redis.port);
    await using redis = await connectRedis(system.redis.url, 'wait');
    await using wakeUps = createWakeUps({ redis });
    const jobs = createJobStore({ redis, sealer: createSealer(system.config.secrets.tokenKeys) });
    const { PUBLIC_URL = publicUrl() } = system.environment;
    const config = loadConfig({ ...system.environment, REDIS_URL: relay.url, PUBLIC_URL }, 'api');
    await using other = await startApi(config, system.log);
    let late = '';
    // A request that was let in before our tokens were void, and the worker is quick.
    const counted = relay.once({
      command: `open:${id}`,
      at: 'reply',
      act: async () => {
        const order = orderOf('Just in time');
        late = await acceptedId(jobs, { accountId: id, username, order });
        await wakeUps.add(late, { openJobs: 1 });
        await waitUntil(async () => hasEnded((await jobs.find(late))?.state ?? 'accepted'));
      },
    });
    const headers = { authorization: `Bearer ${session.accessToken}` };
    const [answer] = await Promise.all([fetch(`${other.url}/me`, { method: 'DELETE', headers }), counted]);
    expect(answer.status).toBe(200);
    expect(tweetsOf(session)).toEqual([]);
    expect((await jobs.find(late))?.state).toBe('failed');
  });

  it('ends a thread that waits for a limit: the rest of it does not go out after a new sign-in', async () => {
    const session = await system.connect('sandbox_ben');
    system.simulator.faults.add('POST /2/tweets', rateLimited(3600), { nth: 2 });
    const posting = await session.request<JobView>('POST', '/postTweet', {
      text: 'First of two',
      thread: [{ text: 'Second of two' }],
    });
    const job = async (of: Session) => {
      const { body } = await of.request<JobView>('GET', `/jobs/${posting.body.job_id}`);
      return body;
    };
    await expect.poll(async () => (await job(session)).status).toBe('waiting');
    expect((await session.request<Disconnected>('DELETE', '/me')).body.canceled_jobs).toBe(0);
    const again = await system.connect('sandbox_ben');
    expect(await job(again)).toMatchObject({
      status: 'failed',
      tweets: [{ tweet_id: tweetsOf(again)[0]?.id }],
      error: { code: 'reconnect_needed' },
    });
    await vault.redis.del(`gate:${again.account.id}:create_tweet`);
  });

  it('accepts nothing more for the account, not even what was let in just before: it would go out after a new sign-in', async () => {
    const session = await system.connect();
    await using relay = await startRedisRelay(system.redis.port);
    const { PUBLIC_URL = publicUrl() } = system.environment;
    const config = loadConfig({ ...system.environment, REDIS_URL: relay.url, PUBLIC_URL }, 'api');
    await using other = await startApi(config, system.log);
    let gone = 0;
    const accepting = relay.once({
      command: `recent:${session.account.id}:`,
      at: 'request',
      act: async () => {
        gone = (await session.request('DELETE', '/me')).status;
      },
    });
    const late = fetch(`${other.url}/postTweet`, {
      method: 'POST',
      headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'Just in time for tomorrow', publish_at: tomorrow() }),
    });
    const [answer] = await Promise.all([late, accepting]);
    expect(gone).toBe(200);
    // A machine that is busy meanwhile may not wait for Redis so long.
    expect(['reconnect_needed', 'unavailable']).toContain(((await answer.json()) as Problem).code);
    expect(await vault.redis.smembers(`open:${session.account.id}`)).toEqual([]);
  });

  it('forgets the account also when X does not take the revocation', async () => {
    const session = await system.connect();
    system.simulator.faults.next('POST /2/oauth2/revoke', answer(503));
    const gone = await session.request<Disconnected>('DELETE', '/me');
    expect(gone.body.revoked_at_x).toBe(false);
    expect(await vault.redis.exists(`account:${session.account.id}`)).toBe(0);
  });
});

describe('an app that its user revoked at X', () => {
  it('is asked for one refresh; the job says how to connect again, tokens are wiped and the next call is 401', async () => {
    const session = await system.connect();
    revokeAtX(session);
    const posting = session.request('POST', '/postTweet', { text: 'Too late', wait_seconds: 40 });
    const { body: job } = await posting;
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'reconnect_needed', action_required: 'reconnect', retryable: false },
    });
    expect(job.error?.detail).toContain(`${publicUrl()}/startAuth`);
    expect(job.message).toContain(`${publicUrl()}/startAuth`);
    expect(refreshes()).toHaveLength(1);
    expect(await vault.redis.hexists(`account:${session.account.id}`, 'sealed')).toBe(0);

    const next = await session.request<Problem>('POST', '/postTweet', { text: 'And again' });
    expect(next.status).toBe(401);
    expect(next.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/);
    expect((await refreshOurs(session)).status).toBe(400);
    expect(refreshes()).toHaveLength(1);
    expect(tweetsOf(session)).toEqual([]);
  });

  it('is healed by signing in again: what was scheduled meanwhile goes out', async () => {
    const session = await system.connect('sandbox_ben');
    const due = new Date(Date.now() + 6000).toISOString();
    const scheduled = await session.request('POST', '/postTweet', { text: 'Due soon', publish_at: due });
    expect(scheduled.status).toBe(202);
    revokeAtX(session);
    const failed = await session.request('POST', '/postTweet', { text: 'Finds out', wait_seconds: 40 });
    expect(failed.body.error?.code).toBe('reconnect_needed');

    const again = await system.connect('sandbox_ben');
    expect(again.account).toEqual(session.account);
    expect((await again.request<Me>('GET', '/me')).body.connected).toBe(true);
    expect(await again.ended(scheduled.body.job_id)).toMatchObject({ status: 'published' });
    expect(tweetsOf(again).map(({ text }) => text)).toEqual(['Due soon']);
  });

  it('hands nothing to another X user who signs in', async () => {
    const ada = await system.connect('sandbox_ada');
    const scheduled = await schedule(ada, 'Of Ada alone');
    revokeAtX(ada);
    await ada.request('POST', '/postTweet', { text: 'Finds out too', wait_seconds: 40 });
    const ben = await system.connect('sandbox_ben');
    expect((await ben.request('GET', `/jobs/${scheduled.body.job_id}`)).status).toBe(404);
    const { body } = await ben.request<{ jobs: { job_id: string }[] }>('GET', '/jobs');
    expect(body.jobs.map(({ job_id }) => job_id)).not.toContain(scheduled.body.job_id);
    expect((await ada.request('GET', '/me')).status).toBe(401);
    expect(tweetsOf(ben)).toEqual([]);
    await (await system.connect('sandbox_ada')).request('DELETE', '/me');
  });
});

describe('the scope that X granted', () => {
  it('without media.write: media is refused with where to connect again, and nothing is queued; text goes out', async () => {
    system.simulator.state.settings.withheldScopes = ['media.write'];
    const session = await system.connect('sandbox_cleo');
    const media = { media_url: system.mediaHost.url('/any.png') };
    const refused = await session.request<Problem>('POST', '/postTweet', {
      text: 'With a picture',
      ...media,
    });
    expect(refused.status).toBe(403);
    expect(refused.body.code).toBe('missing_scope');
    expect(refused.body.detail).toContain('media.write');
    expect(refused.body.detail).toContain(`${publicUrl()}/startAuth`);
    const { body } = await session.request<{ jobs: unknown[] }>('GET', '/jobs');
    expect(body.jobs).toEqual([]);
    expect((await session.post({ text: 'Without one' })).status).toBe('published');
  });

  it('is everything where X names none', async () => {
    const session = await system.connect('sandbox_cleo');
    await vault.redis.hset(`account:${session.account.id}`, { scope: '' });
    system.mediaHost.files.set(
      '/dot.png',
      await sharp({ create: { width: 8, height: 8, channels: 3, background: '#ff0000' } })
        .png()
        .toBuffer(),
    );
    const job = await session.post({ text: 'A dot', media_url: system.mediaHost.url('/dot.png') });
    expect(job.status).toBe('published');
  });
});

it('a job whose order no key opens any more is still shown, without its text', async () => {
  const session = await system.connect('sandbox_cleo');
  const job = await session.post({ text: 'Sealed with a key that is lost' });
  const order = (await vault.redis.hget(`job:${job.job_id}`, 'order')) ?? '';
  await vault.redis.hset(`job:${job.job_id}`, { order: order.replace('.k1.', '.lost.') });
  const shown = await session.request('GET', `/jobs/${job.job_id}`);
  expect(shown.body).toMatchObject({ status: 'published', tweet_id: job.tweet_id, tweet_text: null });
  expect((await session.request('GET', '/jobs')).status).toBe(200);
});

const publicUrl = () => `http://localhost:${new URL(system.url).port}`;

/** Media of scheduled posts is fetched at once, and then waits for its time. */
async function isFetched(session: Session, jobId: string) {
  for (;;) {
    const { media } = (await session.request('GET', `/jobs/${jobId}`)).body;
    if (media.every(({ kind, status }) => kind !== null && status === 'waiting')) return media;
  }
}

async function exists(folder: string): Promise<boolean> {
  return await readdir(folder).then(
    () => true,
    () => false,
  );
}

/** What workers do by themselves within a sweep or two. */
async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  await expect.poll(holds, { interval: 50 }).toBe(true);
}
