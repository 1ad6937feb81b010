import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import type { AcceptOutcome, AcceptRequest } from './accept-job.ts';
import { redisNow } from './job-record.ts';
import { createJobStore, type MoveFacts } from './job-store.ts';
import type { Order } from './order.ts';
import { orderOf, requestOf } from './test-order.ts';

const sealer = createSealer([{ kid: 'k1', key: randomBytes(32) }]);

const { redis, url } = await useOwnRedis();

const jobs = createJobStore({ redis, sealer });
const store = () => jobs;
const request = (given: Partial<AcceptRequest> = {}): AcceptRequest =>
  requestOf({ allowDuplicate: false, maxOpenJobs: 50, ...given });
const accept = (given: Partial<AcceptRequest> = {}): Promise<AcceptOutcome> => store().accept(request(given));
async function acceptJob(given: Partial<AcceptRequest> = {}): Promise<string> {
  const outcome = await accept({ allowDuplicate: true, ...given });
  if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
  return outcome.jobId;
}

const intent = (owner: string, attemptId: string): MoveFacts => ({
  owner,
  cursor: 0,
  moveId: attemptId,
  bumpFence: true,
  patch: { attemptId, openAttempts: 1, deadlineAt: redisNow(5000), intentAt: redisNow() },
});
/** A job that worker `w1` is sending as attempt `a1`. */
async function sendingJob(): Promise<string> {
  const jobId = await acceptJob();
  await store().claim(jobId, 'w1');
  await store().move(jobId, 'prepared');
  expect(await store().move(jobId, 'beginSend', intent('w1', 'a1'))).toMatchObject({ done: true });
  return jobId;
}

describe('accepting', () => {
  it('the same key a hundred times at once makes one job', async () => {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => accept({ idempotencyKey: 'k' })));
    expect(outcomes.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'replayed')).toHaveLength(99);
    expect(await redis.keys('job:*')).toHaveLength(1);
    expect(new Set(outcomes.map((outcome) => 'jobId' in outcome && outcome.jobId)).size).toBe(1);
  });

  it('the same content a hundred times at once makes one job', async () => {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => accept()));
    expect(outcomes.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'recent')).toHaveLength(99);
  });

  it('content of several jobs leads to the newest that is not off, whichever of them has ended', async () => {
    const keys = ['a', 'b', 'c'];
    const twins: string[] = [];
    for (const idempotencyKey of keys) twins.push(await acceptJob({ idempotencyKey, allowDuplicate: false }));
    const { accountId, clientId, order } = request();
    for (const expected of twins.toReversed()) {
      expect(await accept()).toEqual({ kind: 'recent', jobId: expected });
      expect(await store().findRepeat({ accountId, clientId, order }, null)).toBe(expected);
      await store().move(expected, 'cancel');
    }
    expect(await store().findRepeat({ accountId, clientId, order }, null)).toBeNull();
    expect(await accept()).toMatchObject({ kind: 'accepted' });
  });

  it('content counts from when it was accepted, though the same came again by a key since', async () => {
    const first = await acceptJob({ idempotencyKey: 'a', allowDuplicate: false });
    await redis.hincrby(`job:${first}`, 'accepted_at', -600_000);
    const second = await acceptJob({ idempotencyKey: 'b', allowDuplicate: false });
    expect(await accept()).toEqual({ kind: 'recent', jobId: second });
    await store().move(second, 'cancel');
    expect(await accept()).toMatchObject({ kind: 'accepted' });
  });

  it('content is told by its newest job alone to versions that know no more than one', async () => {
    for (const idempotencyKey of ['a', 'b']) await acceptJob({ idempotencyKey, allowDuplicate: false });
    const newest = await acceptJob({ idempotencyKey: 'c', allowDuplicate: false });
    const [recent = ''] = (await redis.keys('recent:7:*')).filter((key) => !key.endsWith(':others'));
    expect(await redis.get(recent)).toBe(newest);
  });

  it('a key with other content is refused, and stores nothing', async () => {
    await accept({ idempotencyKey: 'k' });
    expect(await accept({ idempotencyKey: 'k', order: orderOf('Other') })).toMatchObject({
      kind: 'key_reused',
    });
    expect(await redis.zcard('jobs:open')).toBe(1);
  });

  it('keys of other accounts and clients are other keys', async () => {
    const kinds = await Promise.all([
      accept({ idempotencyKey: 'k' }),
      accept({ idempotencyKey: 'k', accountId: '8' }),
      accept({ idempotencyKey: 'k', clientId: 'd' }),
    ]);
    expect(kinds.map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted']);
  });

  it('more open jobs than allowed are refused until one has ended', async () => {
    const first = await acceptJob({ maxOpenJobs: 1 });
    expect(await accept({ maxOpenJobs: 1, order: orderOf('Second') })).toEqual({
      kind: 'too_many',
      openJobs: 1,
    });
    await store().move(first, 'cancel');
    expect(await accept({ maxOpenJobs: 1, order: orderOf('Second') })).toMatchObject({ kind: 'accepted' });
  });

  it('what is sent along with a post finds it there, also at a Redis that has lost its scripts', async () => {
    await using own = await connectRedis(url, 'wait');
    const jobs = createJobStore({ redis: own, sealer });
    const stateSeenBehind = async (text: string) => {
      const seen = Promise.withResolvers<string | null>();
      const wakeAlong = (jobId: string) =>
        void own.hget(`job:${jobId}`, 'state').then(seen.resolve, seen.reject);
      const outcome = await jobs.accept({ ...request(), order: orderOf(text), wakeAlong });
      expect(outcome.kind).toBe('accepted');
      return await seen.promise;
    };
    expect(await stateSeenBehind('The first')).toBe('accepted');
    await redis.script('FLUSH');
    const isBack = once(own, 'ready');
    own.disconnect(true);
    await isBack;
    expect(await stateSeenBehind('After a restart')).toBe('accepted');
  });

  it('a post is woken along while its account has few, and hears how many, those on their way included', async () => {
    const heard: number[] = [];
    const wakeAlong = (_: string, openJobs: number) => heard.push(openJobs);
    const of = (accountId: string, text: string) => accept({ accountId, order: orderOf(text), wakeAlong });
    for (const text of ['One', 'Two']) expect(await of('few', text)).toMatchObject({ isToBeWoken: false });
    expect(heard).toEqual([0, 1]);
    const burst = Array.from({ length: 20 }, (_, index) => of('few', `Burst ${index}`));
    await Promise.all([...burst, of('other', 'One')]);
    expect(heard.splice(2)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0]);
    // One that is none does not count.
    await of('other', 'One');
    await of('other', 'Two');
    expect(heard.splice(2)).toEqual([1, 1]);
    // Somebody has to notice that it expires.
    const order = orderOf('Soon', { expiresAt: Date.now() + 60_000 });
    await accept({ accountId: 'few', order, wakeAlong });
    expect(heard.slice(2)).toEqual([22]);
  });

  it('a post behind others of its account is woken when its turn has come, and any other at once', async () => {
    const turns: string[] = [];
    const jobs = createJobStore({ redis, sealer, onTurn: (jobId) => void turns.push(jobId) });
    const of = async (text: string, more: Partial<Order> = {}) => {
      const outcome = await jobs.accept(request({ accountId: 'many', order: orderOf(text, more) }));
      if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
      return outcome;
    };
    const publishAt = Date.now() + 86_400_000;
    for (let count = 0; count < 16; count++)
      expect(await of(`Scheduled ${count}`, { publishAt })).toMatchObject({ isToBeWoken: true });
    const first = await of('Nobody goes before it');
    expect(first.isToBeWoken).toBe(true);
    const second = await of('Second');
    const third = await of('Third');
    expect([second.isToBeWoken, third.isToBeWoken]).toEqual([false, false]);
    for (const { jobId } of [first, second, third]) await jobs.move(jobId, 'cancel');
    expect(turns).toEqual([second.jobId, third.jobId]);
    const kept = await of('Nobody any more');
    expect(kept.isToBeWoken).toBe(true);
    // What keeps that one the next one has to find out as well, because it gives up by itself.
    await redis.hset(`job:${kept.jobId}`, 'wait_reason', 'credits');
    expect(await of('Behind one that is kept')).toMatchObject({ isToBeWoken: true });
  });

  it('what was canceled may be asked for again at once', async () => {
    const first = await accept();
    if (first.kind === 'accepted') await store().move(first.jobId, 'cancel');
    expect(await accept()).toMatchObject({ kind: 'accepted' });
  });

  it('the text lies sealed in Redis', async () => {
    const jobId = await acceptJob({ order: orderOf('A secret text') });
    const raw = JSON.stringify(await redis.hgetall(`job:${jobId}`));
    expect(raw).not.toContain('secret');
    const job = await store().find(jobId);
    expect(job && store().openOrder(job).posts[0].text).toBe('A secret text');
  });
});

describe('a worker run that takes a job over', () => {
  it('ends the right of the one before it to send', async () => {
    const jobId = await acceptJob();
    await store().move(jobId, 'prepared');
    await store().claim(jobId, 'w1');
    await store().claim(jobId, 'w2');
    expect(await store().move(jobId, 'beginSend', intent('w1', 'a1'))).toEqual({
      done: false,
      reason: 'owner',
    });
    expect(await store().move(jobId, 'beginSend', intent('w2', 'a2'))).toMatchObject({ done: true });
  });

  it('counts as one start, however often its claim is sent', async () => {
    const jobId = await acceptJob();
    await store().claim(jobId, 'w1');
    expect((await store().claim(jobId, 'w1'))?.starts).toBe(1);
    // Another one within moments is a doubled entry, one after a while is what a crash left behind.
    expect((await store().claim(jobId, 'w2'))?.starts).toBe(1);
    await redis.hincrby(`job:${jobId}`, 'started_at', -3000);
    expect((await store().claim(jobId, 'w3'))?.starts).toBe(2);
  });

  it('leaves jobs alone that have ended, are gone, or are written by a later version', async () => {
    const jobId = await acceptJob();
    await redis.hset(`job:${jobId}`, 'v', '99');
    expect(await store().claim(jobId, 'w1')).toBeNull();
    await redis.hset(`job:${jobId}`, 'v', '1');
    await store().move(jobId, 'cancel');
    expect(await store().claim(jobId, 'w1')).toBeNull();
    expect(await store().claim('nothing', 'w1')).toBeNull();
  });
});

describe('a move', () => {
  it('that is sent again because its reply was lost is done once', async () => {
    const jobId = await sendingJob();
    expect(await store().move(jobId, 'beginSend', intent('w1', 'a1'))).toMatchObject({ done: true });
    expect((await store().find(jobId))?.fence).toBe(1);
    const created: MoveFacts = { cursor: 0, moveId: 'm', tweet: { id: '5', claim: 'take' } };
    await store().move(jobId, 'created', created);
    expect(await store().move(jobId, 'created', created)).toMatchObject({ done: true });
    expect((await store().find(jobId))?.tweets).toHaveLength(1);
  });

  it('about an earlier attempt cannot fail the present one', async () => {
    const jobId = await sendingJob();
    const late = { attemptId: 'a0', cursor: 0 };
    expect(await store().move(jobId, 'rejected', late)).toEqual({ done: false, reason: 'attempt' });
    expect(await store().move(jobId, 'notCreated', late)).toEqual({ done: false, reason: 'attempt' });
    expect((await store().find(jobId))?.state).toBe('sending');
  });

  it('that says created wins even over a failure', async () => {
    const jobId = await sendingJob();
    await store().move(jobId, 'rejected', { attemptId: 'a1', cursor: 0 });
    await store().move(jobId, 'created', { cursor: 0, tweet: { id: '5', claim: 'take' } });
    expect(await store().find(jobId)).toMatchObject({ state: 'published', tweets: [{ id: '5' }] });
  });

  it('that found a post cannot take one that belongs to another job', async () => {
    const [first, second] = [await sendingJob(), await acceptJob()];
    await store().move(first, 'created', { cursor: 0, tweet: { id: '5', claim: 'take' } });
    await store().claim(second, 'w1');
    await store().move(second, 'prepared');
    await store().move(second, 'beginSend', intent('w1', 'b1'));
    const found: MoveFacts = { cursor: 0, tweet: { id: '5', claim: 'if_free' } };
    expect(await store().move(second, 'created', found)).toEqual({ done: false, reason: 'claimed' });
  });

  it('by the sweeper waits for the deadline of the send', async () => {
    const jobId = await sendingJob();
    expect(await store().move(jobId, 'deadlinePassed')).toEqual({ done: false, reason: 'deadline' });
    await redis.hset(`job:${jobId}`, 'deadline_at', '1');
    expect(await store().move(jobId, 'deadlinePassed')).toMatchObject({ done: true });
  });

  it('to cancel comes too late once something may be on X', async () => {
    const jobId = await sendingJob();
    expect(await store().move(jobId, 'cancel')).toEqual({ done: false, reason: 'state' });
    await store().move(jobId, 'outcomeUnknown', { attemptId: 'a1', cursor: 0 });
    expect(await store().move(jobId, 'cancel')).toEqual({ done: false, reason: 'state' });
    const tweet = { id: '5', claim: 'take' } as const;
    await store().move(jobId, 'createdNext', { cursor: 0, tweet });
    expect(await store().move(jobId, 'cancel')).toEqual({ done: false, reason: 'unposted' });
  });

  it('to cancel is made once X surely does not have it; an answer that says so after all still wins', async () => {
    const jobId = await sendingJob();
    await store().move(jobId, 'outcomeUnknown', { attemptId: 'a1', cursor: 0 });
    await store().move(jobId, 'absent', { owner: 'w1', attemptId: 'a1', cursor: 0 });
    expect(await store().move(jobId, 'cancel')).toMatchObject({ done: true });
    const tweet = { id: '5', claim: 'take' } as const;
    expect(await store().move(jobId, 'created', { cursor: 0, tweet })).toMatchObject({ done: true });
    expect(await store().find(jobId)).toMatchObject({ state: 'published', tweets: [{ id: '5' }] });
  });

  it('of a job whose memory Redis lost is not made before X was asked', async () => {
    const jobId = await acceptJob();
    await store().claim(jobId, 'w1');
    await store().move(jobId, 'prepared');
    await store().distrust();
    for (const name of ['cancel', 'fail'] as const)
      expect(await store().move(jobId, name, { owner: 'w1' })).toEqual({ done: false, reason: 'trusted' });
    expect(await store().move(jobId, 'beginSend', intent('w1', 'a1'))).toEqual({
      done: false,
      reason: 'trusted',
    });
  });

  it('to an end frees its place, and lets record and key expire together', async () => {
    const jobId = await acceptJob({ idempotencyKey: 'k' });
    await store().move(jobId, 'cancel');
    expect(await store().openJobs('7')).toBe(0);
    expect(await redis.zcard('jobs:open')).toBe(0);
    const [idem = ''] = await redis.keys('idem:*');
    for (const key of [`job:${jobId}`, idem]) expect(await redis.pttl(key)).toBeGreaterThan(47 * 3_600_000);
  });
});

describe('a Redis that is full', () => {
  it('takes outcomes, and no new jobs and no new sends', async () => {
    const jobId = await sendingJob();
    const next = await acceptJob({ accountId: '8' });
    await store().claim(next, 'w2');
    await store().move(next, 'prepared');
    try {
      await redis.config('SET', 'maxmemory', '1');
      await expect(accept({ order: orderOf('One more') })).rejects.toThrow(/OOM/);
      await expect(store().move(next, 'beginSend', intent('w2', 'b1'))).rejects.toThrow(/OOM/);
      const created: MoveFacts = { cursor: 0, tweet: { id: '5', claim: 'take' } };
      expect(await store().move(jobId, 'created', created)).toMatchObject({ done: true });
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect((await store().find(next))?.state).toBe('ready');
    expect((await store().find(jobId))?.state).toBe('published');
  });
});
