import { randomUUID } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { quickTimings } from './quick-timings.ts';
import { type Session, type System, startSystem } from './system.ts';

type Answered = JobView & {
  readonly code: string;
  readonly errors?: readonly { readonly field: string }[];
};

const hour = 3_600_000;
let system: System;
let redis: RedisConnection;
beforeAll(async () => {
  system = await startSystem({
    timings: quickTimings,
    environment: { ACCOUNT_MONTHLY_BUDGET_USD: '0.5' },
  });
  redis = await connectRedis(system.redis.url, 'wait');
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const post = (session: Session, body: object, headers?: Record<string, string>) =>
  session.request<Answered>('POST', '/postTweet', body, headers);
const tweetsOf = (session: Session) => system.simulator.state.tweets.existing(session.account.id);
const spendAll = async (session: Session) => {
  await redis.set(`spend:${session.account.id}:${new Date().toISOString().slice(0, 7)}`, '1000');
};

describe('the key of a request', () => {
  it('is the same in the header and in the body, and is good for 48 hours after the end', async () => {
    const session = await system.connect('sandbox_ada');
    const key = randomUUID();
    const first = await post(session, { text: 'One key', wait_seconds: 30 }, { 'idempotency-key': key });
    expect(first).toMatchObject({ status: 200, body: { status: 'published', replayed: false } });
    const again = await post(session, { text: 'One key', request_id: key, wait_seconds: 5 });
    expect(again).toMatchObject({ status: 200, body: { replayed: true, job_id: first.body.job_id } });
    expect(again.body.duplicate_of_recent).toBe(false);
    const both = await post(session, { text: 'One key', request_id: key }, { 'idempotency-key': key });
    expect(both.body).toMatchObject({ replayed: true, job_id: first.body.job_id });

    const [idem = ''] = await redis.keys(`idem:${session.account.id}:*`);
    for (const kept of [idem, `job:${first.body.job_id}`]) {
      const ttl = await redis.pttl(kept);
      expect(ttl).toBeGreaterThan(47.9 * hour);
      expect(ttl).toBeLessThanOrEqual(48 * hour);
    }
    expect(tweetsOf(session)).toHaveLength(1);
  });

  it('that differs between header and body is refused, with everything else that is wrong', async () => {
    const session = await system.connect('sandbox_ada');
    const body = { text: 'x'.repeat(281), request_id: 'a' };
    const refused = await post(session, body, { 'idempotency-key': 'b' });
    expect(refused).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    expect(refused.body.errors?.map(({ field }) => field)).toEqual(['request_id', 'text']);
    const quoted = await post(session, { text: 'Quoted' }, { 'idempotency-key': '"a \\"key\\""' });
    const plain = await post(session, { text: 'Quoted', request_id: 'a "key"' });
    expect(plain.body).toMatchObject({ job_id: quoted.body.job_id, replayed: true });
    for (const empty of ['', '""'])
      expect(await post(session, { text: 'Fine' }, { 'idempotency-key': empty })).toMatchObject({
        status: 422,
        body: { errors: [{ field: 'Idempotency-Key', message: 'Must have 1 to 255 characters.' }] },
      });
    const long = await post(session, { text: 'Fine' }, { 'idempotency-key': 'k'.repeat(256) });
    expect(long).toMatchObject({ status: 422, body: { errors: [{ field: 'Idempotency-Key' }] } });
  });

  it('belongs to its account: another one may use the same', async () => {
    const [ben, cleo] = [await system.connect('sandbox_ben'), await system.connect('sandbox_cleo')];
    const request = {
      text: 'Ours',
      request_id: 'post-1',
      publish_at: new Date(Date.now() + hour).toISOString(),
    };
    const [one, other] = [await post(ben, request), await post(cleo, request)];
    expect([one.body.replayed, other.body.replayed]).toEqual([false, false]);
    expect(one.body.job_id).not.toBe(other.body.job_id);
  });

  it('is not used up by a request that was refused', async () => {
    const session = await system.connect('sandbox_ben');
    const request_id = randomUUID();
    expect((await post(session, { text: '', request_id })).status).toBe(422);
    const publish_at = new Date(Date.now() + hour).toISOString();
    expect(await post(session, { text: 'Better', request_id, publish_at })).toMatchObject({
      status: 202,
      body: { replayed: false },
    });
  });
});

describe('a repetition of what was accepted', () => {
  it('is answered with its job, though its times have passed and the budget is spent since', async () => {
    const session = await system.connect('sandbox_cleo');
    const expires_at = new Date(Date.now() + 4000).toISOString();
    const request = { text: 'Just in time', expires_at, request_id: randomUUID() };
    const byContent = { text: 'Just as well', wait_seconds: 20 };
    const first = await post(session, { ...request, wait_seconds: 20 });
    expect(first.body.status).toBe('published');
    const plain = await post(session, byContent);
    expect(plain.body.status).toBe('published');
    await spendAll(session);
    await pass(Math.max(0, Date.parse(expires_at) - Date.now() + 10));

    expect(await post(session, request)).toMatchObject({
      status: 200,
      body: { job_id: first.body.job_id, replayed: true },
    });
    expect(await post(session, byContent)).toMatchObject({
      status: 200,
      body: { job_id: plain.body.job_id, replayed: false, duplicate_of_recent: true },
    });
    // What is not a repetition is refused, whatever it resembles.
    const refusals = [
      await post(session, { ...byContent, allow_duplicate: true }),
      await post(session, { ...byContent, request_id: 'new' }),
      await post(session, { text: 'Something else' }),
    ];
    expect(refusals.map(({ status, body }) => [status, body.code])).toEqual(
      Array(3).fill([403, 'budget_exceeded']),
    );
    expect(tweetsOf(session)).toHaveLength(2);
  });

  it('by content counts only while the first may still appear or stands on X', async () => {
    const session = await system.connect('sandbox_ben');
    const request = { text: 'Said before', publish_at: new Date(Date.now() + hour).toISOString() };
    const first = await post(session, request);
    expect((await post(session, request)).body).toMatchObject({
      job_id: first.body.job_id,
      duplicate_of_recent: true,
    });
    const ttl = await redis.pttl((await redis.keys(`recent:${session.account.id}:*`))[0] ?? '');
    expect(ttl).toBeLessThanOrEqual(600_000);
    await session.request('POST', `/jobs/${first.body.job_id}/cancel`);
    const anew = await post(session, request);
    expect(anew.body).toMatchObject({ duplicate_of_recent: false, status: 'scheduled' });
    expect(anew.body.job_id).not.toBe(first.body.job_id);
  });

  it('keeps to the rules of a request all the same', async () => {
    const session = await system.connect('sandbox_ben');
    const request = {
      text: 'Once more',
      publish_at: new Date(Date.now() + hour).toISOString(),
      request_id: randomUUID(),
    };
    expect((await post(session, request)).status).toBe(202);
    const { request_id: _, ...withoutKey } = request;
    for (const repeated of [request, withoutKey])
      for (const [field, value] of [
        ['wait_seconds', 100],
        ['wait_seconds', -1],
        ['reply_settings', 'nonsense'],
        ['expires_at', 'tomorrow'],
      ] as const)
        expect(await post(session, { ...repeated, [field]: value })).toMatchObject({
          status: 422,
          body: { code: 'validation_failed', errors: [{ field }] },
        });
  });

  it('by content leads to what is on X, though the same was asked for again by a key and failed', async () => {
    const session = await system.connect('sandbox_cleo');
    await redis.del(await redis.keys(`spend:${session.account.id}:*`));
    const text = 'Asked for three times';
    const first = await post(session, { text, request_id: randomUUID(), wait_seconds: 20 });
    expect(first.body.status).toBe('published');
    const second = await post(session, { text, request_id: randomUUID(), wait_seconds: 20 });
    expect(second.body).toMatchObject({ status: 'failed', error: { code: 'duplicate_content' } });
    expect(await post(session, { text })).toMatchObject({
      status: 200,
      body: { job_id: first.body.job_id, duplicate_of_recent: true },
    });
  });

  it('by content leads to a thread that failed half way: its beginning is on X', async () => {
    const session = await system.connect('sandbox_ben');
    const thread = { text: 'The beginning', thread: [{ text: 'The beginning' }], wait_seconds: 20 };
    const first = await post(session, thread);
    expect(first.body).toMatchObject({ status: 'failed', tweets: [{ index: 0 }] });
    expect(await post(session, thread)).toMatchObject({
      body: { job_id: first.body.job_id, duplicate_of_recent: true },
    });
  });

  it('of a request with a chat file is known by the id of the file, whatever its link is now', async () => {
    const session = await system.connect('sandbox_ben');
    const publish_at = new Date(Date.now() + hour).toISOString();
    const file = (link: string) => ({
      text: 'A file',
      publish_at,
      openaiFileIdRefs: [{ id: 'file-1', name: 'a.png', mime_type: 'image/png', download_link: link }],
    });
    // ChatGPT's document declares strings: such a request is not one that openapi.yaml has.
    const send = async (link: string): Promise<JobView> => {
      const answer = await fetch(`${system.url}/postTweet`, {
        method: 'POST',
        headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(file(link)),
      });
      return (await answer.json()) as JobView;
    };
    const first = await send(system.mediaHost.url('/a?sig=1'));
    const second = await send(system.mediaHost.url('/a?sig=2'));
    expect(second).toMatchObject({ job_id: first.job_id, duplicate_of_recent: true });
  });
});
