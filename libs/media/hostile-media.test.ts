import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProblemError } from '#libs/problem/problem.ts';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PreparedMedia } from './prepared-media.ts';
import { animation } from './test-animations.ts';
import { cameraExif, noise, quarters } from './test-pictures.ts';
import { hasFfmpeg, needsFfmpeg, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2, taskTimeoutMs: 10_000 });
});
afterAll(() => images[Symbol.asyncDispose]());

/** What comes of bytes: a file that X takes, or a problem that the user can act on. Anything else fails the test. */
async function outcome(bytes: Buffer): Promise<PreparedMedia | ProblemError> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'hostile-media-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  try {
    const prepared = await prepareMedia(file, {
      outputFolder: folder.path,
      images,
      ffmpeg: { command: 'no-such-ffmpeg' },
    });
    if (prepared.kind === 'image') {
      const { data, info } = await sharp(await readFile(prepared.path), { failOn: 'warning' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect(Math.max(info.width, info.height)).toBeLessThanOrEqual(mediaLimits.image.maxSide);
      expect(data.length).toBeGreaterThan(0);
    }
    return prepared;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    expect(error.code, String(error.cause)).toMatch(/^media_(broken|unsupported|too_large)$/);
    expect(error.detail).toMatch(/Send|send|Export|Cut|Crop/);
    expect(error.detail).not.toContain(folder.path);
    expect(await readdir(folder.path)).toEqual(['0']);
    return error;
  }
}

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
    await using small = createImagePool({ maxChildren: 1, maxMemoryBytes: 400 * 1024 * 1024 });
    await using folder = await mkdtempDisposable(join(tmpdir(), 'hostile-media-'));
    const bytes = await sharp({ create: { width: 6_000, height: 5_000, channels: 3, background: '#345' } })
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

/** Good files, damaged in one of the ways that break parsers. */
function mutate(bytes: Buffer, kind: number, at: number, value: number): Buffer {
  const position = at % bytes.length;
  const changed = Buffer.from(bytes);
  if (kind === 0) changed[position] = value;
  if (kind === 1) return changed.subarray(0, position);
  if (kind === 2) changed.fill(value, position, Math.min(position + 8, changed.length));
  if (kind === 3)
    return Buffer.concat([
      changed.subarray(0, position),
      Buffer.alloc(value, 0xff),
      changed.subarray(position),
    ]);
  if (kind === 4)
    return Buffer.concat([changed.subarray(0, position), changed.subarray(position + value + 1)]);
  if (kind === 5 && changed.length > 4)
    changed.writeUInt32BE(0xffffff00 + value, Math.min(position, changed.length - 4));
  return changed;
}

const mutation = fc.tuple(fc.nat(5), fc.nat(), fc.nat(255));

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
      { numRuns: 400 },
    );
  }, 120_000);

  it.skipIf(!hasFfmpeg)(
    `that are videos too${needsFfmpeg}`,
    async () => {
      const samples = [
        video(),
        video({ options: ['-movflags', '+frag_keyframe+empty_moov'] }),
        video({ ending: 'mkv' }),
        video({ ending: 'ts' }),
      ];
      // Most of a video is packets; what breaks parsers is in the tables at its ends.
      const edges = fc.oneof(fc.nat(3_000), fc.nat());
      await fc.assert(
        fc.asyncProperty(
          fc.nat(samples.length - 1),
          fc.nat(5),
          edges,
          fc.nat(255),
          fc.boolean(),
          async (index, kind, at, value, fromEnd) => {
            const sample = samples[index] ?? Buffer.alloc(0);
            await outcome(
              mutate(sample, kind, fromEnd ? sample.length - 1 - (at % sample.length) : at, value),
            );
          },
        ),
        { numRuns: 250 },
      );
    },
    120_000,
  );
});

describe.skipIf(!hasFfmpeg)(`hostile videos${needsFfmpeg}`, () => {
  const setBox = (bytes: Buffer, type: string, change: (box: Buffer) => void) => {
    const changed = Buffer.from(bytes);
    change(changed.subarray(changed.indexOf(type)));
    return changed;
  };

  it('an mdat that claims 4 GB, a lying duration, no frame rate: a valid result or a clear problem', async () => {
    const bytes = video();
    const hugeMdat = Buffer.from(bytes);
    hugeMdat.writeUInt32BE(0xfffffff0, hugeMdat.indexOf('mdat') - 4);
    await outcome(hugeMdat);
    // The film's header says ten hours; the packets say one second.
    const long = setBox(bytes, 'mvhd', (box) => box.writeUInt32BE(36_000_000, 20));
    expect(await outcome(long)).toMatchObject({ kind: 'video' });
    const timeless = setBox(bytes, 'stts', (box) => box.writeUInt32BE(0, 16));
    expect(await outcome(timeless)).toMatchObject({ code: expect.stringMatching(/media_/) });
    const endless = setBox(bytes, 'stts', (box) => box.writeUInt32BE(0x7fffffff, 12));
    await outcome(endless);
    const manySamples = setBox(bytes, 'stsz', (box) => box.writeUInt32BE(0xffffffff, 12));
    await outcome(manySamples);
  });

  it('many tracks are no problem', async () => {
    const options = Array.from({ length: 40 }, () => ['-map', '1:a']).flat();
    expect(await outcome(video({ options: ['-map', '0:v', ...options] }))).toMatchObject({ kind: 'video' });
  });
});
