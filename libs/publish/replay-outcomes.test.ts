import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { redisNow } from '#libs/jobs/job-record.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import type { Order } from '#libs/jobs/order.ts';
import { acceptedId, orderOf } from '#libs/jobs/test-order.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { planCreated } from './outcome-plan.ts';
import { outcomeKind } from './record-outcome.ts';
import { replayOutcomes } from './replay-outcomes.ts';

const sealer = createSealer([{ kid: 'k1', key: randomBytes(32) }]);
const post = (text: string) => ({ text, media: [], altTexts: [] });
const single = orderOf('One');
const thread = orderOf('One', { posts: [post('One'), post('Two')] });

const { redis } = await useOwnRedis();
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spool-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

/** What a worker with X's answer in hand, its heirs and the sweeper may do, in any order and any number of times. */
const deeds = [
  'store',
  'spool',
  'tear',
  'replay',
  'replay twice',
  'give up',
  'find',
  'absent',
  'resend',
  'forget',
] as const;

/** A post whose request X has answered with 201, and the outcome that its worker is about to write down. */
async function answeredPost(order: Order) {
  await redis.flushall();
  await rm(dir, { recursive: true });
  const spool = await openSpool(dir, sealer);
  const jobs = createJobStore({ redis, sealer });
  const jobId = await acceptedId(jobs, { order });
  const send = async (owner: string, attemptId: string) => {
    await jobs.claim(jobId, owner);
    const patch = { attemptId, openAttempts: 1, deadlineAt: redisNow(-1), intentAt: redisNow() };
    return await jobs.move(jobId, 'beginSend', {
      owner,
      cursor: 0,
      moveId: attemptId,
      bumpFence: true,
      patch,
    });
  };
  const before = await redis.hgetall(`job:${jobId}`);
  await jobs.move(jobId, 'prepared');
  expect(await send('w1', 'a1')).toMatchObject({ done: true });
  const job = await jobs.find(jobId);
  if (!job) throw new Error('the job is gone');
  const charge = { keys: ['spent'], thousandths: 15, keptMs: 60_000 };
  const plan = (claim: 'take' | 'if_free') => {
    const { name, facts } = planCreated(job, order, { id: '11', claim });
    return { name, facts: { ...facts, charge } };
  };
  const own = plan('take');
  const facts = { ...own.facts, moveId: 'created:a1' };
  const replay = () => replayOutcomes({ jobs, spool, report: () => {} });
  const acts: Record<(typeof deeds)[number], () => Promise<unknown>> = {
    store: () => jobs.move(jobId, own.name, facts),
    spool: () => spool.append(outcomeKind, { jobId, accountId: '7', name: own.name, facts }),
    tear: () => writeFile(join(dir, `${outcomeKind}.${randomUUID()}.sealed.unfinished`), 'v1.k1.half'),
    replay,
    'replay twice': () => Promise.all([replay(), replay()]),
    'give up': () => jobs.move(jobId, 'deadlinePassed'),
    find: () => jobs.move(jobId, own.name, { ...plan('if_free').facts, moveId: 'found' }),
    absent: async () => {
      await jobs.claim(jobId, 'w2');
      const { attemptId } = (await jobs.find(jobId)) ?? {};
      return await jobs.move(jobId, 'absent', { owner: 'w2', attemptId: attemptId ?? '', cursor: 0 });
    },
    resend: () => send('w3', 'a2'),
    // Redis goes back to when the post was accepted.
    forget: async () => {
      await redis.del(`job:${jobId}`, 'spent', 'postowner:11');
      await redis.hset(`job:${jobId}`, before);
      await jobs.distrust();
    },
  };
  return { acts, replay, find: () => jobs.find(jobId) };
}

it.each([
  ['a post', single, 'published'],
  ['the first of a thread', thread, 'ready'],
])(
  '%s that X has is written down once, wherever its worker died and whoever else works on it',
  async (_, order, state) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...deeds), { maxLength: 15 }), async (played) => {
        const { acts, replay, find } = await answeredPost(order);
        for (const deed of played) await acts[deed]();
        // It died with the answer on its disk at the least, and somebody starts there again.
        await acts.spool();
        await replay();
        const job = await find();
        expect(job?.state).toBe(state);
        expect(job?.cursor).toBe(order.posts.length - 1);
        expect(job?.tweets.map(({ id }) => id)).toEqual(['11']);
        expect(await redis.get('postowner:11')).toBe(job?.id);
        expect(await redis.get('spent')).toBe('15');
        expect((await readdir(dir)).filter((name) => !name.endsWith('.unfinished'))).toEqual([]);
      }),
      { numRuns: 40 },
    );
  },
);

it('what is live of a thread that was ended meanwhile is told, and nothing follows it', async () => {
  const { acts, replay, find } = await answeredPost(thread);
  const { id = '', attemptId } = (await find()) ?? {};
  await redis.hset(`job:${id}`, 'state', 'canceled');
  await acts.spool();
  await replay();
  expect(await find()).toMatchObject({ state: 'canceled', cursor: 1, tweets: [{ id: '11' }], attemptId });
  await acts.spool();
  await replay();
  expect((await find())?.tweets).toHaveLength(1);
});

it('an outcome in words of a later version is left for that one', async () => {
  const spool = await openSpool(dir, sealer);
  await spool.append(outcomeKind, { jobId: 'a', accountId: '7', name: 'createdSomehow', facts: {} });
  await replayOutcomes({ jobs: createJobStore({ redis, sealer }), spool, report: () => {} });
  expect(await spool.entries(outcomeKind)).toHaveLength(1);
});
