import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recordVersion } from '#libs/jobs/job.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
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

it('a worker leaves alone what a later version has written, and takes it when it is one that knows it', async () => {
  await using rig = await startRig();
  await using redis = await connectRedis(rig.redis.url, 'wait');
  const session = await rig.account();
  const asked = await ask(session);
  await redis.hset(`job:${asked.jobId}`, 'v', recordVersion + 1);
  const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: randomBytes(32) }]) });
  expect(await jobs.claim(asked.jobId, 'an old worker')).toBeNull();
  expect((await jobs.find(asked.jobId))?.starts).toBe(0);
  await redis.hset(`job:${asked.jobId}`, 'v', recordVersion);
  await using _worker = await rig.worker();
  expect((await settled(rig, asked)).status).toBe('published');
});
