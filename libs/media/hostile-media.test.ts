import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { prepareMedia } from './prepare-media.ts';
import { animation } from './test-animations.ts';
import { mutate, mutation, outcomeOf } from './test-hostile.ts';
import { cameraExif, noise, quarters } from './test-pictures.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2, taskTimeoutMs: 10_000 });
});

afterAll(() => images[Symbol.asyncDispose]());

const outcome = (bytes: Buffer) => outcomeOf(bytes, images);

const pngChunk = (type: string, content: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const body = Buffer.concat([Buffer.from(type), content]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};

function crc32(bytes: Buffer): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A PNG header that claims a size, with as much compressed nothing as is given. */
function claimedPng(width: number, height: number, zeros: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(zeros))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('hostile pictures', () => {
  it.each([
    ['a PNG of 256 megapixels in 31 KB', claimedPng(16_000, 16_000, 16_000 * 100), 'media_too_large'],
    ['a PNG of 2147483647 × 2147483647', claimedPng(0x7fffffff, 0x7fffffff, 10), /media_(broken|too_large)/],
    ['a PNG of 0 × 0', claimedPng(0, 0, 10), 'media_broken'],
    ['a PNG that has less than it claims', claimedPng(2_000, 2_000, 100), 'media_broken'],
    ['a JPEG of two bytes', Buffer.from([0xff, 0xd8]), /media_(broken|unsupported)/],
    ['an empty file', Buffer.alloc(0), 'media_broken'],
    ['zeros', Buffer.alloc(10_000), 'media_unsupported'],
    ['a script in a picture format', Buffer.from('%!PS-Adobe-3.0\n(canary) run'), 'media_unsupported'],
    ['a MIFF that reads a file', Buffer.from('id=ImageMagick\nmsl:/etc/passwd'), 'media_unsupported'],
    [
      'a MVG',
      Buffer.from("push graphic-context\nfill 'url(http://127.0.0.1/)'\npop graphic-context"),
      'media_unsupported',
    ],
  ])('%s is refused', async (_name, bytes, code) => {
    expect(await outcome(bytes)).toMatchObject({
      code: typeof code === 'string' ? code : expect.stringMatching(code),
    });
  });

  it.each([
    [
      'SVG',
      () => quarters(10, 10).png(),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    ],
  ])('%s is never drawn', async (_name, _make, bytes) => {
    expect(await outcome(bytes)).toMatchObject({ code: 'media_unsupported' });
  });

  it('an SVG behind the first bytes of a PNG is not drawn either', async () => {
    const bytes = Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ]);
    expect(await outcome(bytes)).toMatchObject({ code: expect.stringMatching(/media_(broken|unsupported)/) });
  });

  it('a file that is two formats at once comes out as one', async () => {
    const jpeg = await quarters(40, 40).jpeg().toBuffer();
    const inside = Buffer.concat([
      jpeg.subarray(0, 2),
      Buffer.from([0xff, 0xfe, 0, 30]),
      Buffer.from('<script>alert(1)</script>/*'.padEnd(28)),
      jpeg.subarray(2),
      Buffer.from('*/ PK\x03\x04'),
    ]);
    const prepared = await outcome(inside);
    expect(prepared).toMatchObject({ mediaType: 'image/jpeg', note: 'Metadata was removed.' });
  });

  it('thousands of frames of nothing are refused or reduced in reasonable time', async () => {
    const startedAt = performance.now();
    const found = await outcome(await animation({ width: 700, height: 16, frames: 600 }));
    expect(found).toMatchObject({ kind: 'gif', note: 'Reduced from 600 to 300 frames.' });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it('twenty large pictures at once wait for each other', async () => {
    await using small = createImagePool({ maxChildren: 1, maxMemoryBytes: 150 * 1024 * 1024 });
    await using folder = await mkdtempDisposable(join(tmpdir(), 'hostile-media-'));
    const bytes = await sharp({ create: { width: 2_700, height: 1_800, channels: 3, background: '#345' } })
      .jpeg()
      .toBuffer();
    const names = Array.from({ length: 20 }, (_, index) => join(folder.path, String(index)));
    await Promise.all(names.map((name) => writeFile(name, bytes)));
    const done = await Promise.all(
      names.map((name) => prepareMedia(name, { outputFolder: folder.path, images: small })),
    );
    expect(new Set(done.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(small.pids.length).toBeLessThanOrEqual(1);
  });
});

describe('damaged files', () => {
  it('of every kind end in a valid result or a clear problem', async () => {
    const samples = [
      await quarters(80, 60).jpeg().withExif(cameraExif).toBuffer(),
      await quarters(80, 60).jpeg({ progressive: true }).toBuffer(),
      await quarters(80, 60).png({ progressive: true }).withExif(cameraExif).toBuffer(),
      await noise(40, 30, 4).png({ palette: true }).toBuffer(),
      await quarters(80, 60).webp().withExif(cameraExif).toBuffer(),
      await noise(40, 30, 4).webp({ lossless: true }).toBuffer(),
      await quarters(40, 30).avif({ effort: 0 }).toBuffer(),
      await animation({ width: 20, height: 16, frames: 4 }),
      await animation({ width: 20, height: 16, frames: 4, format: 'webp' }),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(samples.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        async (index, mutations) => {
          const sample = samples[index] ?? Buffer.alloc(0);
          await outcome(
            mutations.reduce(
              (bytes, [kind, at, value]) => (bytes.length > 0 ? mutate(bytes, kind, at, value) : bytes),
              sample,
            ),
          );
        },
      ),
      { numRuns: 150 },
    );
  }, 120_000);
});
