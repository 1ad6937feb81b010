import { DelayedError, Worker } from 'bullmq';
import { afterAll, describe, expect, it } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createWakeUps } from './wake-up.ts';

const { redis } = await useOwnRedis();
const wakeUps = createWakeUps({ redis });
afterAll(() => wakeUps[Symbol.asyncDispose]());

const counts = async () => await wakeUps.queues.tweets.getJobCounts('prioritized', 'delayed', 'completed');

describe('waking a job', () => {
  it('twice makes one entry', async () => {
    await wakeUps.add('j');
    await wakeUps.again('j');
    expect(await counts()).toMatchObject({ prioritized: 1, delayed: 0 });
  });

  it('works although an entry of it has finished before', async () => {
    await wakeUps.add('j');
    await finishNext();
    expect(await counts()).toMatchObject({ prioritized: 0, completed: 1 });
    await wakeUps.again('j');
    expect(await counts()).toMatchObject({ prioritized: 1, completed: 0 });
  });

  it('now brings a sleeping entry forward; later leaves it alone', async () => {
    await wakeUps.add('j', { at: Date.now() + 3_600_000 });
    await wakeUps.again('j', { at: Date.now() + 3_600_000 });
    expect(await counts()).toMatchObject({ delayed: 1 });
    await wakeUps.again('j');
    expect(await counts()).toMatchObject({ prioritized: 1, delayed: 0 });
  });

  it('for its turn adds what is missing, brings forward what sleeps, and leaves alone what is coming', async () => {
    await wakeUps.turn('none', 0);
    expect(await counts()).toMatchObject({ prioritized: 1 });
    await wakeUps.add('asleep', { at: Date.now() + 3_600_000 });
    await wakeUps.turn('asleep', 0);
    expect(await counts()).toMatchObject({ prioritized: 2, delayed: 0 });
    await wakeUps.add('comes');
    await wakeUps.turn('comes', 0);
    expect(await counts()).toMatchObject({ prioritized: 3 });
  });

  it('in a round of its own does not wait for an entry that somebody holds', async () => {
    await wakeUps.add('j');
    await wakeUps.again('j', { round: 'c1' });
    expect(await counts()).toMatchObject({ prioritized: 2 });
  });

  it('of an account with many open jobs comes after that of an account with few', async () => {
    await wakeUps.add('busy', { openJobs: 40 });
    await wakeUps.add('calm', { openJobs: 1 });
    const [first] = await wakeUps.queues.tweets.getJobs(['prioritized'], 0, 0, true);
    expect(first?.data.job_id).toBe('calm');
  });

  it('for a place that is free now finds an entry that is only about to sleep', async () => {
    await wakeUps.add('j', { index: 0 });
    const runs: number[] = [];
    let called: Promise<void> | null = null;
    const worker = new Worker(
      'media',
      async (entry, token) => {
        runs.push(Date.now());
        if (called) return;
        // Called while its run still has it, and wants to sleep for an hour.
        called = wakeUps.itemTurn('j', 0);
        for (let look = 0; look < 10; look++) await redis.ping();
        await entry.moveToDelayed(Date.now() + 3_600_000, token);
        throw new DelayedError();
      },
      { connection: redis },
    );
    await new Promise((resolve) => worker.once('completed', resolve));
    await called;
    await worker.close();
    expect(runs).toHaveLength(2);
    expect(await wakeUps.queues.media.getJobCounts('delayed', 'prioritized')).toEqual({
      delayed: 0,
      prioritized: 0,
    });
  });

  it('for a place leaves alone what is in work', async () => {
    await wakeUps.add('j', { index: 0 });
    let runs = 0;
    const worker = new Worker(
      'media',
      async () => {
        runs += 1;
        await wakeUps.itemTurn('j', 0);
      },
      { connection: redis },
    );
    await new Promise((resolve) => worker.once('completed', resolve));
    await worker.close();
    expect([runs, (await wakeUps.queues.media.getJobCounts('prioritized', 'delayed')).prioritized]).toEqual([
      1, 0,
    ]);
  });

  it('carries references and no content', async () => {
    await wakeUps.add('j', { index: 2 });
    const [entry] = await wakeUps.queues.media.getJobs(['prioritized']);
    expect(entry?.data).toEqual({ job_id: 'j', index: 2 });
  });
});

async function finishNext(): Promise<void> {
  const worker = new Worker('tweets', async () => {}, { connection: redis });
  await new Promise((resolve) => worker.once('completed', resolve));
  await worker.close();
}

describe('a job that was ended from outside', () => {
  it('leaves no entry that would sleep until its time; a worker is called for its files', async () => {
    const at = Date.now() + 300 * 86_400_000;
    await wakeUps.add('text', { at });
    await wakeUps.ended('text', 0);
    expect(await counts()).toMatchObject({ prioritized: 0, delayed: 0 });
    await wakeUps.add('pictures', { index: 0, at });
    await wakeUps.add('pictures', { index: 1, at });
    await wakeUps.ended('pictures', 2);
    expect(await wakeUps.queues.media.getJobCounts('prioritized', 'delayed')).toEqual({
      prioritized: 1,
      delayed: 0,
    });
  });
});
