import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { type GifLimits, mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import { animation, handmadeGif } from './test-animations.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 1 });
});
afterAll(() => images[Symbol.asyncDispose]());

async function prepare(bytes: Buffer, gif: Partial<GifLimits> = {}) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'prepare-gif-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  const limits = { ...mediaLimits, gif: { ...mediaLimits.gif, ...gif } };
  try {
    const prepared = await prepareMedia(file, { outputFolder: folder.path, limits, images });
    const output = await readFile(prepared.path);
    return { ...prepared, output, metadata: await sharp(output, { pages: -1 }).metadata() };
  } catch (error) {
    expect(await readdir(folder.path), 'nothing half-written stays').toEqual(['0']);
    throw error;
  }
}

const totalMs = (delays: readonly number[] = []) => delays.reduce((sum, delay) => sum + delay, 0);

/** Where the red square stands in a frame: the columns from left to right, as a share of the width. */
async function redAt(gif: Buffer, page: number): Promise<number> {
  const { data, info } = await sharp(gif, { page }).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const columns: number[] = [];
  for (let x = 0; x < info.width; x += 1) {
    const at = (2 * info.width + x) * info.channels;
    if ((data[at] ?? 0) > 180 && (data[at + 1] ?? 255) < 100) columns.push(x);
  }
  return (columns.reduce((sum, x) => sum + x, 0) / columns.length + 0.5) / info.width;
}

describe('an animated GIF', () => {
  it('passes as it is when X takes it', async () => {
    const bytes = await animation({ width: 60, height: 40, frames: 5 });
    const { output, ...prepared } = await prepare(bytes);
    expect(output).toEqual(bytes);
    expect(prepared).toMatchObject({
      kind: 'gif',
      mediaType: 'image/gif',
      mediaCategory: 'tweet_gif',
      note: null,
    });
  });

  it('with one frame is a picture', async () => {
    expect(await prepare(await animation({ width: 60, height: 40, frames: 1 }))).toMatchObject({
      kind: 'image',
      mediaType: 'image/gif',
      mediaCategory: 'tweet_image',
    });
  });

  it('loses what is hidden in it and keeps its frames', async () => {
    const plain = await animation({ width: 60, height: 40, frames: 5 });
    const comment = Buffer.from([0x21, 0xfe, 6, ...Buffer.from('canary'), 0]);
    const bytes = Buffer.concat([plain.subarray(0, -1), comment, Buffer.from(';canary')]);
    const { output, note } = await prepare(bytes);
    expect(output).toEqual(plain);
    expect(note).toBe('Metadata was removed.');
  });

  it('that is too wide is made smaller with all its frames and its time', async () => {
    const { metadata, kind, note, output } = await prepare(
      await animation({ width: 200, height: 100, frames: 10 }),
      { maxWidth: 100 },
    );
    expect([metadata.width, metadata.pageHeight, metadata.pages, metadata.loop]).toEqual([100, 50, 10, 0]);
    expect(totalMs(metadata.delay)).toBe(500);
    expect([kind, note]).toEqual(['gif', 'Scaled from 200×100 to 100×50 pixels.']);
    expect(await redAt(output, 0)).toBeLessThan(0.1);
    expect(await redAt(output, 9)).toBeGreaterThan(0.9);
  });

  it('with too many frames loses every other one, not its time', async () => {
    const { metadata, note, output } = await prepare(await animation({ width: 60, height: 40, frames: 15 }), {
      maxFrames: 8,
    });
    expect([metadata.width, metadata.pages]).toEqual([60, 8]);
    expect(totalMs(metadata.delay)).toBe(750);
    expect(note).toBe('Reduced from 15 to 8 frames.');
    expect(await redAt(output, 7)).toBeGreaterThan(0.9);
  });

  it('that takes too much of the processor is given up, and the next one is not held up by it', async () => {
    const bytes = await animation({ width: 300, height: 200, frames: 40, grain: true });
    const before = images.pids;
    await expect(prepare(bytes, { maxWidth: 250, maxCpuMs: 1 })).rejects.toMatchObject({
      code: 'media_too_large',
      detail: expect.stringMatching(/too long.*MP4/),
    });
    const next = await prepare(await animation({ width: 60, height: 40, frames: 5 }));
    expect(next.kind).toBe('gif');
    // The one that was at it has ended.
    expect(before.every((pid) => images.pids.includes(pid))).toBe(false);
  });

  it('with too many bytes is made smaller until it fits', async () => {
    const bytes = await animation({ width: 300, height: 200, frames: 20, grain: true });
    const maxBytes = Math.floor(bytes.length / 2);
    const { metadata, bytes: size, note } = await prepare(bytes, { maxBytes });
    expect(size).toBeLessThanOrEqual(maxBytes);
    expect(metadata.pages).toBe(20);
    expect(note).toMatch(/^Scaled from 300×200 to \d+×\d+ pixels\.$/);
  });

  it.each([
    [
      '16000×16000 pixels in one frame',
      handmadeGif({ width: 16_000, height: 16_000, frameWidth: 1, frameHeight: 1 }),
    ],
    [
      '16000×16000 pixels in many frames',
      handmadeGif({ width: 16_000, height: 16_000, frameWidth: 1, frameHeight: 1, frames: 9 }),
    ],
    ['too many frames that are too large', handmadeGif({ width: 2_000, height: 2_000, frames: 900 })],
  ])('of %s is refused in no time', async (_name, bytes) => {
    const startedAt = performance.now();
    await expect(prepare(bytes)).rejects.toMatchObject({ code: 'media_too_large' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('that is cut off is refused', async () => {
    const bytes = await animation({ width: 60, height: 40, frames: 5 });
    await expect(prepare(bytes.subarray(0, -20))).rejects.toMatchObject({ code: 'media_broken' });
  });

  it('whose second frame is damaged is refused', async () => {
    const bytes = handmadeGif({ width: 50, height: 50, frames: 2 });
    // Codes that nothing stands for; the structure stays right.
    bytes.fill(0xff, bytes.lastIndexOf(0x2c) + 12, bytes.lastIndexOf(0x2c) + 14);
    await expect(prepare(bytes)).rejects.toMatchObject({ code: 'media_broken' });
  });
});

describe('an animated WebP', () => {
  it('becomes a GIF', async () => {
    const { metadata, kind, mediaType, note } = await prepare(
      await animation({ width: 60, height: 40, frames: 6, format: 'webp' }),
    );
    expect([kind, mediaType, metadata.format, metadata.pages]).toEqual(['gif', 'image/gif', 'gif', 6]);
    expect(totalMs(metadata.delay)).toBe(300);
    expect(note).toBe('Converted from WebP to GIF.');
  });
});
