import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  answer,
  dropWhileReading,
  dropWithoutActing,
  outOfCredits,
  tooLarge,
} from '#apps/x-simulator/fault.ts';
import type { RequestRecord } from '#apps/x-simulator/requests.ts';
import type { MediaItem } from '#libs/jobs/job.ts';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import {
  append,
  ask,
  create,
  finalize,
  initialize,
  onePicture,
  type Rig,
  settled,
  startRig,
  until,
} from './rig.ts';

const picture = noise(1100, 900).png().toBuffer();

describe.concurrent('X breaks off in the middle of an upload', () => {
  it.each([
    ['while a segment is being sent', dropWhileReading()],
    ['when a segment has been sent', dropWithoutActing()],
  ])('%s: the same segment is sent again, and the picture arrives whole', async (_, fault) => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    rig.mediaHost.files.set('/noise.png', await picture);
    rig.simulator.faults.nth(append, 2, fault);
    const asked = await ask(session, { media_url: rig.mediaHost.url('/noise.png') });
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, initialize)).toHaveLength(1);
    const [tweet] = rig.tweetsOf(session);
    const media = rig.simulator.state.media.get(tweet?.mediaIds[0] ?? '');
    const kept = await sharp(await readFile(media?.path ?? ''))
      .raw()
      .toBuffer();
    const given = await sharp(await picture)
      .raw()
      .toBuffer();
    expect(kept.equals(given)).toBe(true);
  });
});

describe.concurrent('X fails now and then all through a long upload', () => {
  it('a failure counts no more once the upload has got on: the post goes out', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    rig.mediaHost.files.set('/noise.png', await picture);
    const { faults } = rig.simulator;
    const isLarge = ({ headers }: RequestRecord) => Number(headers['content-length']) > 70_000;
    faults.add(append, tooLarge(), { times: Number.POSITIVE_INFINITY, when: isLarge });
    let segments = 0;
    const everyFifth = (request: RequestRecord) => !isLarge(request) && ++segments % 5 === 0;
    faults.add(append, answer(503), { times: 11, when: everyFifth });
    const asked = await ask(session, { media_url: rig.mediaHost.url('/noise.png') });
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(faults.pending).toHaveLength(1);
  });
});

describe.concurrent('X does not take the media', () => {
  it.each([
    ['because it is in trouble', answer(503), 'x_unavailable', /could not be reached/],
    ['because it wants to be paid', outOfCredits(), 'x_credits_depleted', /credits/],
  ])('%s: the post waits as one without media would, and fails in the end', async (_, fault, code, word) => {
    await using rig = await startRig({ workers: 1, environment: { GIVE_UP_AFTER_MS: '5000' } });
    const session = await rig.account();
    rig.mediaHost.files.set('/small.png', await onePicture());
    rig.simulator.faults.always(finalize, fault);
    const asked = await ask(session, { media_url: rig.mediaHost.url('/small.png') });
    await until(rig, asked, (job) => job.status === 'waiting');
    await anHourLater(rig, asked.jobId);
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'failed', error: { code, detail: expect.stringMatching(word) } });
    expect(rig.requests(session, finalize).length).toBeGreaterThan(1);
    expect(rig.requests(session, create)).toHaveLength(0);
  });
});

describe.concurrent('X never finishes with the media', () => {
  it('the post fails after ten minutes, and nothing is posted', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    rig.mediaHost.files.set('/moving.gif', await movingPicture());
    rig.simulator.state.settings.processing = {
      checkAfterSecs: 1,
      polls: 1e9,
      outcome: 'succeeded',
      error: null,
    };
    const asked = await ask(session, { media_url: rig.mediaHost.url('/moving.gif') });
    await until(rig, asked, (job) => job.stage === 'x_processing');
    await elevenMinutesLater(rig, asked.jobId);
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'media_processing_timeout' } });
    expect(rig.requests(session, create)).toHaveLength(0);
  });
});

describe.concurrent('X forgets the media before the post is made', () => {
  it('it is uploaded again, and the post goes out with its picture', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    rig.mediaHost.files.set('/small.png', await onePicture());
    const hold = rig.simulator.faults.hold(create, 'received');
    const asked = await ask(session, { media_url: rig.mediaHost.url('/small.png') });
    await hold.reached;
    for (const media of rig.simulator.state.media.uploads.all) media.expiresAt = 0;
    hold.release();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, initialize)).toHaveLength(2);
    expect(rig.tweetsOf(session)[0]?.mediaIds).toHaveLength(1);
  });

  it('and always gives it a short life: it is posted in that, and not uploaded for ever', async () => {
    await using rig = await startRig({ workers: 1, simulator: { mediaSeconds: 300 } });
    const session = await rig.account();
    rig.mediaHost.files.set('/small.png', await onePicture());
    const asked = await ask(session, { media_url: rig.mediaHost.url('/small.png') });
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, initialize).length).toBeLessThanOrEqual(2);
  });
});

/** Two frames, so that X has something to process. */
async function movingPicture(): Promise<Buffer> {
  const frames = await Promise.all(
    ['#ff0000', '#0000ff'].map((background) =>
      sharp({ create: { width: 64, height: 64, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  );
  return await sharp(frames, { join: { animated: true } })
    .gif({ delay: [200, 200] })
    .toBuffer();
}

/** As if X had begun to process that long ago. */
async function elevenMinutesLater(rig: Rig, jobId: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  const item: MediaItem = JSON.parse((await redis.hget(`job:${jobId}`, 'item:0')) ?? '{}');
  if (!item.upload) throw new Error('nothing is uploaded');
  const upload = { ...item.upload, processingSince: (item.upload.processingSince ?? 0) - 660_000 };
  await redis.hset(`job:${jobId}`, 'item:0', JSON.stringify({ ...item, upload }));
}

/** As if the item had waited that long. */
async function anHourLater(rig: Rig, jobId: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  await redis.del('gate:app:credits');
  const item: MediaItem = JSON.parse((await redis.hget(`job:${jobId}`, 'item:0')) ?? '{}');
  const waited = { ...item, failingSince: (item.failingSince ?? 0) - 3_700_000, notBefore: null };
  await redis.hset(`job:${jobId}`, 'item:0', JSON.stringify(waited));
  for (const entry of await redis.zrange('bull:media:delayed', '0', '-1'))
    await redis.zadd('bull:media:delayed', 'XX', '0', entry);
  await redis.zadd('jobs:open', 'XX', '0', jobId);
}
