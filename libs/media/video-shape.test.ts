import { execFileSync } from 'node:child_process';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PrepareOptions } from './prepared-media.ts';
import { ffprobe, hasFfmpeg, needsFfmpeg, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 1 });
});
afterAll(() => images[Symbol.asyncDispose]());

async function prepare(bytes: Buffer, options: Partial<PrepareOptions> = {}) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'video-shape-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  const prepared = await prepareMedia(file, { outputFolder: folder.path, images, ...options });
  return { ...prepared, output: await readFile(prepared.path), probed: ffprobe(prepared.path) };
}

/** How bright the first picture is, 0 to 255: in its middle, or along its long edges. */
async function brightness(bytes: Buffer, where: 'middle' | 'edge'): Promise<number> {
  const picture = execFileSync('ffmpeg', ['-v', 'error', '-i', '-', '-frames:v', '1', '-f', 'apng', '-'], {
    input: bytes,
  });
  const { data, info } = await sharp(picture).greyscale().raw().toBuffer({ resolveWithObject: true });
  const isLying = info.width > info.height;
  const [long, short] = isLying ? [info.width, info.height] : [info.height, info.width];
  const across = where === 'middle' ? Math.floor(short / 2) : 4;
  const at = (along: number) => (isLying ? across * info.width + along : along * info.width + across);
  const row = Array.from({ length: long }, (_, along) => data[at(along) * info.channels] ?? 0);
  return row.reduce((sum, value) => sum + value, 0) / row.length;
}

describe.skipIf(!hasFfmpeg)(`of a video with several tracks${needsFfmpeg}`, () => {
  const cover = [
    ...['-map', '0:v', '-map', '0:v', '-map', '1:a', '-c:v:0', 'mjpeg', '-pix_fmt:v:0', 'yuvj420p'],
    ...['-filter:v:0', 'trim=end_frame=1,scale=100:100', '-disposition:v:0', '0', '-profile:v:0', '-99'],
  ];

  it.each([
    ['mov', 'hevc', ['-c:v:1', 'libx265', '-profile:v:1', 'main', '-x265-params', 'log-level=error']],
    ['mkv', 'VP8', ['-c:v:1', 'libvpx', '-deadline', 'realtime', '-profile:v:1', '0']],
    ['mkv', 'H.264', ['-disposition:v:1', '0']],
  ] as const)('in %s the pictures that move are taken, and not the cover before them: %s', async (...how) => {
    const [ending, , options] = how;
    const { probed } = await prepare(video({ ending, options: [...cover, ...options] }));
    expect(probed).toMatchObject({ picture: { codec_name: 'h264', width: 320 }, streams: 2 });
    expect(Number(probed.picture?.nb_frames)).toBeGreaterThan(20);
  });

  it.each(['mov', 'mkv', 'ts'])('in %s the sound is taken that was looked at', async (ending) => {
    const options = [
      ...['-map', '0:v', '-map', '1:a', '-map', '1:a', '-c:a:0', 'ac3', '-ar:a:0', '48000'],
      ...['-disposition:a:0', '0', '-disposition:a:1', 'default', '-vf', 'setsar=4/3'],
    ];
    const { probed, note } = await prepare(video({ ending, options }));
    expect(probed.sound?.codec_name).toBe('aac');
    expect(note).toContain('pixels are not square');
  });
});

describe.skipIf(!hasFfmpeg)(`a video longer than X takes it for its width${needsFfmpeg}`, () => {
  it.each([
    ['lying', '640x64', [640, 214]],
    ['standing', '64x640', [214, 640]],
    ['lying and too large', '2560x160', [1280, 428]],
  ] as const)('gets black bars: %s', async (_name, size, expected) => {
    const { probed, note, output } = await prepare(video({ size }));
    expect([probed.picture?.width, probed.picture?.height]).toEqual(expected);
    expect(note).toContain(`given black bars to make it ${expected.join('×')}`);
    const [middle, edge] = await Promise.all([brightness(output, 'middle'), brightness(output, 'edge')]);
    expect([middle > 40, edge < 20]).toEqual([true, true]);
  });

  it('is refused with the reason where there is no ffmpeg', async () => {
    const command = 'no-such-ffmpeg';
    await expect(prepare(video({ size: '640x64' }), { ffmpeg: { command } })).rejects.toMatchObject({
      code: 'media_unsupported',
      detail: expect.stringMatching(/640×64 .*3 times as long as wide.*ffmpeg is not installed/),
    });
  });
});
