import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { followJobChanges } from './job-changes.ts';
import { createJobStore } from './job-store.ts';

let server: Awaited<ReturnType<typeof startRedisServer>>;
let redis: RedisConnection;
beforeAll(async () => {
  server = await startRedisServer();
  redis = await connectRedis(server.url, 'wait');
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function createRig() {
  await redis.flushall();
  const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: randomBytes(32) }]) });
  const rest = { replyTo: null, quoteOf: null, poll: null, replySettings: null, communityId: null };
  const times = { madeWithAi: null, paidPartnership: null, publishAt: null, expiresAt: null };
  const outcome = await jobs.accept({
    accountId: '7',
    username: 'ada',
    clientId: 'c',
    order: { posts: [{ text: 'Hello', media: [], altTexts: [] }], ...rest, ...times },
    idempotencyKey: null,
    allowDuplicate: true,
    maxOpenJobs: 50,
  });
  if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
  let reads = 0;
  const counting = {
    ...jobs,
    find: (jobId: string) => {
      reads++;
      return jobs.find(jobId);
    },
  };
  const subscriber = await connectRedis(server.url, 'wait');
  const changes = await followJobChanges({ subscriber, jobs: counting });
  return { jobs, jobId: outcome.jobId, subscriber, changes, reads: () => reads };
}

const never = () => new AbortController().signal;

describe('waiting for a job', () => {
  it('costs one read per change and one subscription, however many wait', async () => {
    const { jobs, jobId, subscriber, changes, reads } = await createRig();
    await using _closed = subscriber;
    const waits = Array.from({ length: 1000 }, () => changes.settled(jobId, never()));
    await expect.poll(reads).toBe(1);
    await jobs.move(jobId, 'cancel');
    const ended = await Promise.all(waits);
    expect(ended.every((job) => job?.state === 'canceled')).toBe(true);
    expect(reads()).toBe(2);
    expect((await redis.pubsub('NUMSUB', 'jobs:changed'))[1]).toBe(1);
  });

  it('does not miss what changed while the connection was away', async () => {
    const { jobs, jobId, subscriber, changes, reads } = await createRig();
    await using _closed = subscriber;
    const wait = changes.settled(jobId, never());
    await expect.poll(reads).toBe(1);
    // The change is made between the loss of the connection and its return: nobody hears it published.
    await redis.hset(`job:${jobId}`, 'state', 'canceled');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    expect((await wait)?.state).toBe('canceled');
    await jobs.forget(jobId);
  });

  it('ends with the present record when it is given up', async () => {
    const { jobId, subscriber, changes } = await createRig();
    await using _closed = subscriber;
    expect((await changes.settled(jobId, AbortSignal.abort()))?.state).toBe('accepted');
    expect((await changes.settled(jobId, AbortSignal.timeout(20)))?.state).toBe('accepted');
  });

  it('ends with nothing where there is no job', async () => {
    const { subscriber, changes } = await createRig();
    await using _closed = subscriber;
    expect(await changes.settled('nothing', never())).toBeNull();
  });
});
