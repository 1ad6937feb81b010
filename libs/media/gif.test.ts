import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DamagedMediaError } from './decode-errors.ts';
import { readGif } from './gif.ts';
import { animation, handmadeGif } from './test-animations.ts';

async function read(bytes: Buffer) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'gif-'));
  const file = join(folder.path, 'a');
  await writeFile(file, bytes);
  return await readGif(file);
}

describe('readGif', () => {
  it('counts frames and time, and reads the screen', async () => {
    const bytes = await animation({ width: 40, height: 30, frames: 12 });
    expect(await read(bytes)).toEqual({
      width: 40,
      height: 30,
      frames: 12,
      durationMs: 600,
      bytes: bytes.length,
      stretches: [[0, bytes.length]],
    });
  });

  it('reads a screen that libvips takes for 1×1', async () => {
    expect(
      await read(handmadeGif({ width: 16_000, height: 16_000, frameWidth: 1, frameHeight: 1 })),
    ).toMatchObject({
      width: 16_000,
      height: 16_000,
    });
  });

  it('leaves comments, foreign blocks and what stands behind the end out of the picture', async () => {
    const comment = Buffer.from([0x21, 0xfe, 6, ...Buffer.from('canary'), 0]);
    const foreign = Buffer.from([
      0x21,
      0xff,
      11,
      ...Buffer.from('XMP DataXMP'),
      6,
      ...Buffer.from('canary'),
      0,
    ]);
    const loop = Buffer.from([0x21, 0xff, 11, ...Buffer.from('NETSCAPE2.0'), 3, 1, 0, 0, 0]);
    const bytes = handmadeGif({
      extra: Buffer.concat([comment, loop, foreign]),
      tail: Buffer.from(';canary'),
    });
    const { stretches } = await read(bytes);
    expect(Buffer.concat((stretches ?? []).map(([start, end]) => bytes.subarray(start, end)))).toEqual(
      handmadeGif({ extra: loop }),
    );
  });

  it('does not keep a list of a million crumbs', async () => {
    const crumb = Buffer.from([0x21, 0xfe, 0, 0x21, 0xf9, 4, 0, 0, 0, 0, 0]);
    const { stretches, frames } = await read(
      handmadeGif({ extra: Buffer.concat(Array.from({ length: 20_000 }, () => crumb)) }),
    );
    expect([stretches, frames]).toEqual([null, 1]);
  });

  it.each([
    ['no frame', handmadeGif({ frames: 0 })],
    ['no end', handmadeGif({ tail: Buffer.alloc(0) })],
    ['an unknown block', handmadeGif({ extra: Buffer.from([0x42]) })],
    ['a frame larger than the screen', handmadeGif({ frameWidth: 3 })],
    ['an empty screen', handmadeGif({ width: 0 })],
    ['a header alone', Buffer.from('GIF89a')],
    ['another format', Buffer.from('\x89PNG\r\n\x1a\n0000000000')],
  ])('refuses %s', async (_name, bytes) => {
    await expect(read(bytes)).rejects.toThrow(DamagedMediaError);
  });

  it('refuses every GIF that is cut off, wherever', async () => {
    const bytes = await animation({ width: 20, height: 10, frames: 3 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        await expect(read(bytes.subarray(0, length))).rejects.toThrow(DamagedMediaError);
      }),
      { numRuns: 60 },
    );
  });
});
