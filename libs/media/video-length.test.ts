import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PrepareOptions } from './prepared-media.ts';
import { ffprobe, hasFfmpeg, needsFfmpeg, statedMs, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 1 });
});
afterAll(() => images[Symbol.asyncDispose]());

const maxDurationMs = 2_000;
const limits = { ...mediaLimits, video: { ...mediaLimits.video, maxDurationMs } };

async function prepare(bytes: Buffer, options: Partial<PrepareOptions> = {}) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'video-length-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  const prepared = await prepareMedia(file, { outputFolder: folder.path, limits, images, ...options });
  return { ...prepared, output: await readFile(prepared.path), probed: ffprobe(prepared.path) };
}

const vp8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-profile:v', '0', '-c:a', 'libopus'];
const shortPicture = ['-vf', 'trim=duration=1.5'];

describe.skipIf(!hasFfmpeg)(`a video that lasts longer than its picture${needsFfmpeg}`, () => {
  it.each([
    ['sound that goes on', { seconds: 3, options: shortPicture }, /^Copied .* lasts 0:03 .* 0:02 and cut/],
    ['sound that ends with a whole frame', { seconds: 2, ending: 'mkv' }, /^Copied .* cut at 0:02/],
    [
      'sound of long frames',
      { seconds: 2, ending: 'mkv', options: ['-ar', '8000'] },
      /^Copied .* cut at 0:02/,
    ],
    [
      'sound that is encoded anew',
      { seconds: 2, options: ['-c:a', 'libmp3lame'] },
      /^Converted .*MP3.* cut at 0:02/,
    ],
    ['another codec', { seconds: 2, ending: 'webm', options: vp8 }, /^Converted .*VP8.* cut at 0:02/],
  ] as const)('is cut to what X takes: %s', async (_name, options, note) => {
    const made = await prepare(video(options));
    expect(made.note).toMatch(note);
    expect(statedMs(made.output)).toBeLessThanOrEqual(maxDurationMs);
    expect(made.probed.seconds).toBeLessThanOrEqual(maxDurationMs / 1000);
    expect(made.probed.seconds).toBeGreaterThan(maxDurationMs / 1000 - 0.5);
    expect(made.probed.streams).toBe(2);
  });

  it('is cut where only its header says so', async () => {
    const bytes = video();
    bytes.writeUInt32BE(36_000_000, bytes.indexOf('mvhd') + 20);
    expect(statedMs((await prepare(bytes)).output)).toBeLessThan(1_100);
  });

  it('is refused with the reason where there is no ffmpeg', async () => {
    const bytes = video({ seconds: 3, options: shortPicture });
    await expect(prepare(bytes, { ffmpeg: { command: 'no-such-ffmpeg' } })).rejects.toMatchObject({
      code: 'media_unsupported',
      detail: expect.stringMatching(/lasts 0:03 where X takes 0:02.*ffmpeg is not installed/),
    });
  });
});

describe.skipIf(!hasFfmpeg)(`a video whose picture is too long${needsFfmpeg}`, () => {
  it('is refused, and not cut', async () => {
    await expect(prepare(video({ seconds: 2.04 }))).rejects.toMatchObject({
      code: 'media_too_large',
      detail: 'The video lasts 0:03; X takes at most 0:02. Cut it and send that.',
    });
  });

  it('passes as it is at the very limit', async () => {
    expect((await prepare(video({ seconds: 2, sound: false }))).note).toBeNull();
  });

  it('passes as it is where it was cut out of a broadcast, whenever that began', async () => {
    const broadcast = [
      '-movflags',
      'dash+delay_moov+frag_keyframe+frag_discont',
      '-output_ts_offset',
      '3600',
    ];
    const made = await prepare(video({ options: broadcast }));
    expect(made.note).toBeNull();
    expect(made.probed.startSeconds).toBeGreaterThan(3_000);
  });
});
