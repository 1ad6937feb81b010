import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits, type VideoLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PrepareOptions } from './prepared-media.ts';
import { ffprobe, hasFfmpeg, needsFfmpeg, turnByTable, video } from './test-videos.ts';

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

describe.skipIf(!hasFfmpeg)(`a video that X takes${needsFfmpeg}`, () => {
  it.each([
    ['MP4', {}],
    ['MP4 with its tables in front', { options: ['-movflags', '+faststart'] }],
    ['fragmented MP4', { options: ['-movflags', '+frag_keyframe+empty_moov'] }],
    ['silent MP4', { sound: false }],
    ['standing MP4', { size: '180x320' }],
    ['MOV', { ending: 'mov' }],
  ] as const)('passes as it is: %s', async (_name, options) => {
    const bytes = video(options);
    const { output, ...prepared } = await prepare(bytes);
    expect(output.equals(bytes)).toBe(true);
    expect(prepared).toMatchObject({
      kind: 'video',
      mediaType: 'ending' in options ? 'video/quicktime' : 'video/mp4',
      mediaCategory: 'tweet_video',
      note: null,
    });
  });
});

describe.skipIf(!hasFfmpeg)(`a video that X does not take${needsFfmpeg}`, () => {
  it.each([
    ['Matroska', { ending: 'mkv' }, /Matroska/],
    ['a transport stream', { ending: 'ts' }, /transport stream/],
  ] as const)('in %s is copied into an MP4, its picture untouched', async (_name, options, reason) => {
    const { probed, mediaType, note } = await prepare(video(options));
    expect(mediaType).toBe('video/mp4');
    expect(note).toMatch(reason);
    expect(note).toMatch(/^Copied/);
    expect(probed).toMatchObject({
      picture: { codec_name: 'h264', profile: expect.stringMatching(/Baseline/) },
      sound: { codec_name: 'aac' },
    });
    expect(Math.abs(probed.seconds - 1)).toBeLessThan(0.15);
  });

  it.each([
    [
      'VP9 and Opus in WebM',
      {
        ending: 'webm',
        options: ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-profile:v', '0', '-c:a', 'libopus'],
      },
      /VP9.*Opus/,
    ],
    [
      'HEVC',
      { options: ['-c:v', 'libx265', '-profile:v', 'main', '-x265-params', 'log-level=error'] },
      /HEVC/,
    ],
    ['10 bits', { options: ['-profile:v', 'high10', '-pix_fmt', 'yuv420p10le'] }, /8 bits/],
    ['4:4:4', { options: ['-profile:v', 'high444', '-pix_fmt', 'yuv444p'] }, /4:2:0/],
    ['interlaced', { options: ['-flags', '+ilme+ildct'] }, /interlaced/],
    [
      'interlaced in a transport stream',
      { ending: 'ts', options: ['-flags', '+ilme+ildct'] },
      /^Converted .*interlaced/,
    ],
    ['odd pixels', { options: ['-vf', 'setsar=4/3'] }, /square/],
    ['100 frames a second', { rate: 100 }, /100 frames per second/],
    ['1600×900', { size: '1600x900' }, /1600×900/],
  ] as const)('for %s is converted', async (_name, options, reason) => {
    const { probed, note, mediaType } = await prepare(video(options));
    expect(mediaType).toBe('video/mp4');
    expect(note).toMatch(reason);
    expect(probed.picture).toMatchObject({
      codec_name: 'h264',
      pix_fmt: 'yuv420p',
      profile: 'High',
      field_order: 'progressive',
      sample_aspect_ratio: '1:1',
    });
    expect(probed.sound).toMatchObject({ codec_name: 'aac', profile: 'LC' });
    expect(probed.streams).toBe(2);
    expect(Math.max(Number(probed.picture?.width), 0)).toBeLessThanOrEqual(1280);
    expect(Math.abs(probed.seconds - 1)).toBeLessThan(0.15);
  });

  it.each([
    ['interlaced', '320x180', ['-flags', '+ilme+ildct'], 90],
    ['interlaced, of high profile', '320x200', ['-flags', '+ilme+ildct', '-profile:v', 'high'], 100],
    ['not interlaced', '320x200', [], 100],
  ] as const)('keeps its shape in a transport stream: %s', async (_name, size, options, height) => {
    const { probed } = await prepare(video({ size, ending: 'ts', options }), { video: { maxLongSide: 160 } });
    expect([probed.picture?.width, probed.picture?.height]).toEqual([160, height]);
  });

  it('for its sound alone keeps its picture', async () => {
    const { probed, note } = await prepare(video({ options: ['-c:a', 'libmp3lame'] }));
    expect(note).toMatch(/MP3/);
    expect(probed).toMatchObject({
      picture: { profile: expect.stringMatching(/Baseline/) },
      sound: { codec_name: 'aac' },
    });
    const surround = await prepare(video({ options: ['-ac', '6'] }));
    expect(surround.probed.sound?.channels).toBe(2);
  });

  it('turned by its rotation is judged and kept as it is shown', async () => {
    const turned = turnByTable(video({ size: '1600x900' }));
    const { probed } = await prepare(turned);
    expect(Number(probed.picture?.width)).toBeLessThan(Number(probed.picture?.height));
    expect(Number(probed.picture?.height)).toBe(1280);
  });

  it('for its bytes is made to fit them', async () => {
    const bytes = video({ seconds: 4, size: '640x360', options: ['-crf', '1'] });
    const maxBytes = Math.floor(bytes.length / 8);
    const prepared = await prepare(bytes, { video: { maxBytes } });
    expect(prepared.bytes).toBeLessThanOrEqual(maxBytes);
    expect(prepared.note).toMatch(/MB/);
  });

  it('tells how far it is', async () => {
    const percents: number[] = [];
    await prepare(
      video({
        seconds: 4,
        ending: 'webm',
        options: ['-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus', '-profile:v', '0'],
      }),
      {
        onProgress: (percent) => percents.push(percent),
      },
    );
    expect(percents.at(-1)).toBe(100);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
  });

  it('is written to a file of its own by each run, also where one was taken for dead', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'prepare-video-'));
    const file = join(folder.path, '0');
    await writeFile(file, video({ ending: 'mkv' }));
    const run = () => prepareMedia(file, { outputFolder: folder.path, images });
    const made = await Promise.all([run(), run()]);
    expect(made[0].path).not.toBe(made[1].path);
    for (const { path } of made) expect(ffprobe(path).streams).toBe(2);
  });

  it('stops when the caller gives up, and leaves nothing', async () => {
    const stop = new AbortController();
    const preparing = prepare(video({ seconds: 20, size: '1600x900', rate: 10 }), {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('canceled')),
    });
    await expect(preparing).rejects.toThrow('canceled');
  });

  it('ends when it takes too long, or too much memory', async () => {
    const bytes = video({ seconds: 20, size: '1600x900', rate: 10 });
    await expect(prepare(bytes, { ffmpeg: { timeoutMs: 200 } })).rejects.toMatchObject({
      code: 'media_too_large',
      detail: /time/,
    });
    await expect(prepare(bytes, { ffmpeg: { maxMemoryBytes: 1_000_000 } })).rejects.toMatchObject({
      code: 'media_too_large',
      detail: /memory/,
    });
  });

  it('is refused with the reasons and the remedy where there is no ffmpeg', async () => {
    const bytes = video({
      ending: 'mkv',
      options: ['-c:v', 'libvpx', '-deadline', 'realtime', '-profile:v', '0'],
    });
    await expect(prepare(bytes, { ffmpeg: { command: 'no-such-ffmpeg' } })).rejects.toMatchObject({
      code: 'media_unsupported',
      detail: expect.stringMatching(/Matroska.*VP8.*ffmpeg is not installed.*Send it as an MP4/),
    });
  });
});
