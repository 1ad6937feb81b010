import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { afterAll, expect, it } from 'vitest';
import { recordVersion } from '#libs/jobs/job.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import type { Order } from '#libs/jobs/order.ts';
import { acceptedId, orderOf } from '#libs/jobs/test-order.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import type { PublishEvent } from './publisher.ts';
import { sweep } from './sweep.ts';

const { redis } = await useOwnRedis();
const turns: string[] = [];
const jobs = createJobStore({
  redis,
  sealer: createSealer([{ kid: 'k', key: randomBytes(32) }]),
  onTurn: (jobId) => void turns.push(jobId),
});
const wakeUps = createWakeUps({ redis });
afterAll(() => wakeUps[Symbol.asyncDispose]());
const mediaStore = createMediaStore({ dataDir: tmpdir() });

/** Accepted, due to be looked at, and lost by the queue. */
async function lostJob(place: number, accountId = '7', more: Partial<Order> = {}): Promise<string> {
  const jobId = await acceptedId(jobs, { accountId, order: orderOf('Hello', more) });
  await redis.zadd('jobs:open', place, jobId);
  return jobId;
}

it.each([
  ['in a state that does not exist', { state: 'dreaming' }, 1],
  ['without its account', { account: null }, 1],
  ['with a broken field', { observation: '{"half' }, 1],
  ['with words of a later version', { v: recordVersion + 1, state: 'dreaming' }, 0],
])('a record %s is passed over in the sweep, which looks at all others', async (_, damage, reports) => {
  const [damaged, sound] = [await lostJob(1), await lostJob(2)];
  for (const [field, value] of Object.entries(damage)) {
    if (value === null) await redis.hdel(`job:${damaged}`, field);
    else await redis.hset(`job:${damaged}`, field, value);
  }
  const events: PublishEvent[] = [];
  await sweep({ jobs, wakeUps, mediaStore, report: (event) => void events.push(event) });
  expect(await wakeUps.queues.tweets.getJob(`job-${sound}`)).toBeDefined();
  expect(await wakeUps.queues.tweets.getJob(`job-${damaged}`)).toBeUndefined();
  expect(events.map(({ jobId, level }) => [jobId, level])).toEqual(Array(reports).fill([damaged, 'error']));
  const { jobs: listed } = await jobs.list('7', { limit: 10 });
  expect(listed.map(({ id }) => id)).toEqual([sound]);
});

it('scheduled posts, however many, keep nobody waiting, and are looked at again at their time', async () => {
  const publishAt = Date.now() + 600_000;
  for (let count = 0; count < 450; count++) await lostJob(1, '8', { publishAt });
  const lost = await lostJob(2);
  await sweep({ jobs, wakeUps, mediaStore, report: () => {} });
  expect(await wakeUps.queues.tweets.getJob(`job-${lost}`)).toBeDefined();
  expect(await redis.zcount('jobs:open', publishAt, publishAt + 5000)).toBe(450);
  expect(await wakeUps.queues.tweets.getDelayedCount()).toBe(450);
});

it('of the posts of an account the first is woken; the others are called in their turn, and one that expires is not left asleep', async () => {
  const all = [await lostJob(1), await lostJob(2), await lostJob(3)];
  const [first, second, third] = all;
  const expires = await lostJob(4, '7', { expiresAt: Date.now() + 60_000 });
  const woken = async (jobId = '') => (await wakeUps.queues.tweets.getJob(`job-${jobId}`)) !== undefined;
  await sweep({ jobs, wakeUps, mediaStore, report: () => {} });
  expect(await Promise.all([...all, expires].map(woken))).toEqual([true, false, false, true]);
  for (const jobId of all) await jobs.move(jobId, 'cancel');
  expect(turns.splice(0)).toEqual([second, third]);
  // They are looked at again all the same: a call may be lost.
  expect(await redis.zscore('jobs:open', first ?? '')).toBeNull();
  expect(Number(await redis.zscore('jobs:open', expires))).toBeLessThan(Date.now() + 30_000);
});

it('of the posts of an account whose first is kept from being sent all are woken: each gives up by itself', async () => {
  const [first, second] = [await lostJob(1), await lostJob(2)];
  await jobs.claim(first, 'w');
  const notBefore = Date.now() + 60_000;
  await jobs.move(first, 'note', { owner: 'w', patch: { waitReason: 'credits', notBefore }, checkAt: 1 });
  await sweep({ jobs, wakeUps, mediaStore, report: () => {} });
  expect(await wakeUps.queues.tweets.getJob(`job-${second}`)).toBeDefined();
});

it('a post that cannot be read does not keep the other posts of its account waiting', async () => {
  const [damaged, sound] = [await lostJob(1), await lostJob(2)];
  await redis.hset(`job:${damaged}`, 'observation', '{"half');
  await jobs.claim(sound, 'w');
  const send = () =>
    jobs.move(sound, 'beginSend', { owner: 'w', cursor: 0, moveId: 'm', patch: { attemptId: 'm' } });
  expect(await send()).toMatchObject({ done: false, reason: 'turn' });
  await sweep({ jobs, wakeUps, mediaStore, report: () => {} });
  expect(turns).toContain(sound);
  expect(await send()).toMatchObject({ done: true });
});

it('what a look at an unconfirmed post says of the next one stands, however fast it was', async () => {
  const jobId = await lostJob(1);
  await redis.hset(`job:${jobId}`, 'state', 'unconfirmed');
  const fast = {
    ...wakeUps,
    again: async () => void (await redis.zadd('jobs:open', 12_345_678_901_234, jobId)),
  };
  await sweep({ jobs, wakeUps: fast, mediaStore, report: () => {} });
  expect(await redis.zscore('jobs:open', jobId)).toBe('12345678901234');
});
