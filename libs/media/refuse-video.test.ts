import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits, type VideoLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PrepareOptions } from './prepared-media.ts';
import { startCanary } from './test-media-host.ts';
import { ffprobe, hasFfmpeg, needsFfmpeg, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 1 });
});
afterAll(() => images[Symbol.asyncDispose]());

async function prepare(
  bytes: Buffer,
  options: Partial<PrepareOptions> & { video?: Partial<VideoLimits> } = {},
) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'prepare-video-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  const limits = { ...mediaLimits, video: { ...mediaLimits.video, ...options.video } };
  try {
    const prepared = await prepareMedia(file, { outputFolder: folder.path, limits, images, ...options });
    return { ...prepared, output: await readFile(prepared.path), probed: ffprobe(prepared.path) };
  } catch (error) {
    expect(await readdir(folder.path), 'nothing half-written stays').toEqual(['0']);
    throw error;
  }
}

describe.skipIf(!hasFfmpeg)(`a video that nothing can be done about${needsFfmpeg}`, () => {
  it.each([
    [
      'longer than X takes',
      { seconds: 3 },
      { maxDurationMs: 2_000 },
      'media_too_large',
      /lasts 0:03.*0:02.*Cut it/,
    ],
    ['shorter than X takes', { seconds: 0.2 }, {}, 'media_unsupported', /0\.5 s/],
    ['tiny', { size: '16x16' }, {}, 'media_unsupported', /32×32/],
  ] as const)('is refused: %s', async (_name, options, limits, code, detail) => {
    await expect(prepare(video(options), { video: limits })).rejects.toMatchObject({
      code,
      detail: expect.stringMatching(detail),
    });
  });

  it.each([
    ['there is none', { options: ['-vn'] }],
    ['it is of a kind that cannot be read', { ending: 'ts', options: ['-c:v', 'mpeg2video'] }],
  ])('is refused when no picture is found, since %s', async (_why, options) => {
    await expect(prepare(video(options))).rejects.toMatchObject({
      code: 'media_unsupported',
      detail:
        'No picture could be found in this file, only sound. Send a video as an MP4 (H.264, AAC), or a picture.',
    });
  });

  it.each([0.3, 0.6, 0.9, 0.99])('is refused when only %d of it has arrived', async (share) => {
    for (const options of [{ options: ['-movflags', '+faststart'] }, {}]) {
      const bytes = video({ seconds: 2, ...options });
      await expect(prepare(bytes.subarray(0, Math.floor(bytes.length * share)))).rejects.toMatchObject({
        code: 'media_broken',
      });
    }
  });
});

describe('something that calls itself a video', () => {
  it.each([
    [
      'an HLS playlist',
      (url: string) =>
        `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${url}/a.ts\nfile:///etc/passwd\n#EXT-X-ENDLIST\n`,
    ],
    ['a playlist behind blanks', (url: string) => `\n \ufeff#EXTM3U\n${url}/a.ts\n`],
    ['a concat script', (url: string) => `ffconcat version 1.0\nfile ${url}/a.mp4\n`],
    [
      'a DASH manifest',
      (url: string) =>
        `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>${url}</BaseURL></MPD>`,
    ],
  ])('%s is refused and connects to nothing', async (_name, write) => {
    await using canary = await startCanary();
    const bytes = Buffer.from(write(`http://127.0.0.1:${canary.port}`));
    await expect(prepare(bytes)).rejects.toMatchObject({ code: 'media_unsupported' });
    expect(canary.connects).toBe(0);
  });
});
