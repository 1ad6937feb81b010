import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { followJobChanges } from './job-changes.ts';
import { createJobStore } from './job-store.ts';
import { acceptedId } from './test-order.ts';

const { redis, url } = await useOwnRedis();

async function createRig() {
  const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: randomBytes(32) }]) });
  const jobId = await acceptedId(jobs);
  let reads = 0;
  const counting = {
    ...jobs,
    find: (jobId: string) => {
      reads++;
      return jobs.find(jobId);
    },
  };
  const subscriber = await connectRedis(url, 'wait');
  const stopping = new AbortController();
  const changes = await followJobChanges({ subscriber, jobs: counting, stopping: stopping.signal });
  return { jobs, jobId, subscriber, changes, stopping, reads: () => reads };
}

const long = { waitMs: 3_600_000 };

describe('waiting for a job', () => {
  it('costs one read per change and one subscription, however many wait', async () => {
    const { jobs, jobId, subscriber, changes, reads } = await createRig();
    await using _closed = subscriber;
    const waits = Array.from({ length: 1000 }, () => changes.settled(jobId, long));
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
    const wait = changes.settled(jobId, long);
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
    const gone = { ...long, onGivingUp: (giveUp: () => void) => giveUp() };
    expect((await changes.settled(jobId, gone))?.state).toBe('accepted');
    let hangUp = () => {};
    const wait = changes.settled(jobId, { ...long, onGivingUp: (giveUp) => (hangUp = giveUp) });
    hangUp();
    expect((await wait)?.state).toBe('accepted');
  });

  it('ends with the present record when its time is up', async () => {
    const { jobId, subscriber, changes } = await createRig();
    await using _closed = subscriber;
    expect((await changes.settled(jobId, { waitMs: 20 }))?.state).toBe('accepted');
  });

  it('ends when the process stops, and does not begin after that', async () => {
    const { jobId, subscriber, changes, stopping, reads } = await createRig();
    await using _closed = subscriber;
    const waits = [changes.settled(jobId, long), changes.settled(jobId, long)];
    await expect.poll(reads).toBe(1);
    stopping.abort();
    expect((await Promise.all(waits)).map((job) => job?.state)).toEqual(['accepted', 'accepted']);
    expect((await changes.settled(jobId, long))?.state).toBe('accepted');
  });

  it('shows each change to whoever wants to see it, and nothing after the end', async () => {
    const { jobs, jobId, subscriber, changes, reads } = await createRig();
    await using _closed = subscriber;
    const seen: string[] = [];
    const wait = changes.settled(jobId, { ...long, onChange: ({ state }) => void seen.push(state) });
    await expect.poll(reads).toBe(1);
    await jobs.move(jobId, 'cancel');
    await wait;
    await redis.publish('jobs:changed', jobId);
    await redis.publish('jobs:changed', jobId);
    await changes.settled(jobId, long);
    expect(seen).toEqual(['accepted', 'canceled']);
  });

  it('leaves nothing behind: no timer, and no look at later changes', async () => {
    const { jobs, jobId, subscriber, changes, reads } = await createRig();
    await using _closed = subscriber;
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const waits = Array.from({ length: 20 }, () => changes.settled(jobId, long));
    expect(timers()).toBe(before + 20);
    await jobs.move(jobId, 'cancel');
    await Promise.all(waits);
    expect(timers()).toBeLessThan(before + 20);
    const before2 = reads();
    await redis.publish('jobs:changed', jobId);
    await changes.settled('nothing', long);
    expect(reads()).toBe(before2 + 1);
  });

  it('ends with nothing where there is no job', async () => {
    const { subscriber, changes } = await createRig();
    await using _closed = subscriber;
    expect(await changes.settled('nothing', long)).toBeNull();
  });
});
