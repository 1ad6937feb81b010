import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recordVersion } from '#libs/jobs/job.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { append, ask, create, type Rig, settled, startRig } from './faults/rig.ts';

/** A worker whose disk no other sees. */
const machine = (rig: Rig, name: string, environment: Record<string, string> = {}) =>
  rig.worker({ DATA_DIR: join(rig.dataDir, name), ...environment });

describe.concurrent('workers on machines that share Redis and no disk', () => {
  it('split one post: one machine brings its media to X, another sends it', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    rig.mediaHost.files.set('/a.png', await noise(300, 200).png().toBuffer());
    await using _media = await machine(rig, 'one', { WORKER_QUEUES: 'media' });
    await using _tweets = await machine(rig, 'two', { WORKER_QUEUES: 'tweets' });
    const job = await settled(rig, await ask(session, { media_url: rig.mediaHost.url('/a.png') }));
    expect(job.status).toBe('published');
    expect(rig.tweetsOf(session)[0]?.mediaIds).toHaveLength(1);
    expect(rig.mediaHost.requests).toEqual(['/a.png']);
  });

  it('fetch the media anew when the machine that had it is gone in the middle of the upload', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    rig.mediaHost.files.set('/b.png', await noise(1100, 900).png().toBuffer());
    const hold = rig.simulator.faults.hold(append, 'read');
    const doomed = await machine(rig, 'one');
    const asked = await ask(session, { media_url: rig.mediaHost.url('/b.png') });
    await hold.reached;
    doomed.kill('SIGKILL');
    await doomed.exited;
    hold.release();
    await rm(join(rig.dataDir, 'one'), { recursive: true });
    await using _heir = await machine(rig, 'two');
    const job = await settled(rig, asked);
    expect(job.status).toBe('published');
    expect(rig.requests(session, create)).toHaveLength(1);
    expect(rig.mediaHost.requests).toEqual(['/b.png', '/b.png']);
  });
});

describe('while versions change', () => {
  it('a worker leaves alone what a later version has written, goes on with the rest, and takes it when it knows it', async () => {
    await using rig = await startRig();
    await using redis = await connectRedis(rig.redis.url, 'wait');
    await using wakeUps = createWakeUps({ redis });
    const [one, other] = [await rig.account(), await rig.account()];
    const later = await ask(one);
    const usual = await ask(other);
    // In words that today's workers do not know; and first in the line of what the sweeper looks at.
    await redis.hset(`job:${later.jobId}`, { v: recordVersion + 1, state: 'dreaming' });
    await redis.zadd('jobs:open', 1, later.jobId, 2, usual.jobId);
    // Only the sweeper can bring this one back.
    expect(await wakeUps.queues.tweets.remove(`job-${usual.jobId}`)).toBe(1);
    const written = await redis.hgetall(`job:${later.jobId}`);
    await using worker = await rig.worker();
    expect((await settled(rig, usual)).status).toBe('published');
    const entry = await wakeUps.queues.tweets.getJob(`job-${later.jobId}`);
    await expect.poll(() => entry?.getState()).toBe('completed');
    expect(await redis.hgetall(`job:${later.jobId}`)).toEqual(written);
    expect(worker.output.join()).not.toContain('"level":"error"');
    // A worker that knows it: the sweeper wakes it within seconds.
    await redis.hset(`job:${later.jobId}`, { v: recordVersion, state: 'accepted' });
    await redis.zadd('jobs:open', 1, later.jobId);
    expect((await settled(rig, later)).status).toBe('published');
  });

  it('what an earlier version accepted is finished, also where it says less than today, and more', async () => {
    await using rig = await startRig();
    await using redis = await connectRedis(rig.redis.url, 'wait');
    const asked = await ask(await rig.account(), {}, 1);
    await redis.hdel(`job:${asked.jobId}`, 'starts', 'cursor', 'fence', 'traceparent', 'idem');
    await redis.hset(`job:${asked.jobId}`, { long_forgotten: 'yes' });
    await using _worker = await rig.worker();
    expect((await settled(rig, asked)).status).toBe('published');
  });
});
