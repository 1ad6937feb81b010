import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { actThenDrop } from '#apps/x-simulator/fault.ts';
import { type System, startSystem } from './system.ts';

const megabyte = 1024 * 1024;

let system: System;
beforeAll(async () => {
  system = await startSystem({
    environment: { MEDIA_DISK_BYTES: String(4 * megabyte), CONFIRM_AFTER_MS: '2000' },
  });
});
afterAll(() => system[Symbol.asyncDispose]());

it('media that finds no room on the disk makes its post wait, and the post goes out whole once there is room', async () => {
  const session = await system.connect();
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  const picture = await sharp({ create: { width: 800, height: 800, channels: 3, background: '#000', noise } })
    .png()
    .toBuffer();
  expect(picture.length).toBeGreaterThan(megabyte);
  system.mediaHost.files.set('/noise.png', picture);
  // Something else fills the room that media may take.
  const other = join(system.dataDir, 'media', 'other');
  await mkdir(other, { recursive: true });
  await writeFile(join(other, 'bytes'), Buffer.alloc(4 * megabyte));

  const { body } = await session.request('POST', '/postTweet', {
    text: 'Patience',
    media_url: system.mediaHost.url('/noise.png'),
  });
  const status = async () => (await session.request('GET', `/jobs/${body.job_id}`)).body;
  await expect.poll(status).toMatchObject({ status: 'waiting', message: expect.stringMatching(/no room/) });
  // A text is not concerned.
  expect((await session.post({ text: 'No media, no wait' })).status).toBe('published');

  await rm(other, { recursive: true });
  expect(await session.ended(body.job_id)).toMatchObject({
    status: 'published',
    media: [{ status: 'ready' }],
  });
  expect(system.simulator.state.tweets.visible(session.account.id)).toHaveLength(2);
});

it('a post that ends before it is sent, or is found by reading, leaves no file', async () => {
  const { simulator, mediaHost } = system;
  const picture = sharp({ create: { width: 60, height: 60, channels: 3, background: '#123456' } });
  mediaHost.files.set('/small.png', await picture.png().toBuffer());
  const body = (text: string) => ({ text, media_url: mediaHost.url('/small.png') });
  const files = async () => (await readdir(join(system.dataDir, 'media'))).length;

  const ben = await system.connect('sandbox_ben');
  simulator.faults.next('POST /2/tweets', actThenDrop());
  expect((await ben.post(body('Found by reading'))).status).toBe('published');
  await expect.poll(files).toBe(0);

  const cleo = await system.connect('sandbox_cleo');
  const hold = simulator.faults.hold('POST /2/media/upload/:id/finalize', 'committed');
  const { body: job } = await cleo.request('POST', '/postTweet', body('Taken back'));
  await hold.reached;
  simulator.state.grants.disconnect(cleo.account.id);
  hold.release();
  await expect.poll(files).toBe(0);
  const again = await system.connect('sandbox_cleo');
  expect((await again.ended(job.job_id)).status).toBe('failed');
});
