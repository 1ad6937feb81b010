import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { cameraExif, quarterColours, quarters } from './test-pictures.ts';
import { imageLimits, prepareBytes } from './test-prepare.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2 });
});
afterAll(() => images[Symbol.asyncDispose]());

const prepare = (bytes: Buffer, limits = mediaLimits) => prepareBytes(bytes, images, limits);

describe('a picture that fits', () => {
  it.each(['jpeg', 'png', 'webp', 'gif'] as const)('passes as it is: %s', async (format) => {
    const bytes = await quarters(320, 200)[format]().toBuffer();
    const { output, ...prepared } = await prepare(bytes);
    expect(output).toEqual(bytes);
    expect(prepared).toMatchObject({
      kind: 'image',
      mediaType: `image/${format}`,
      mediaCategory: 'tweet_image',
      note: null,
    });
  });

  it.each([
    ['grey', (image: Sharp) => image.greyscale().jpeg()],
    ['progressive', (image: Sharp) => image.jpeg({ progressive: true })],
    ['with a palette', (image: Sharp) => image.png({ palette: true })],
    ['interlaced', (image: Sharp) => image.png({ progressive: true })],
    ['without loss', (image: Sharp) => image.webp({ lossless: true })],
    ['transparent', (image: Sharp) => image.ensureAlpha(0.5).webp()],
  ])('passes as it is when it is %s', async (_name, encode) => {
    const bytes = await encode(quarters(64, 64)).toBuffer();
    expect((await prepare(bytes)).output).toEqual(bytes);
  });

  it('is never made larger', async () => {
    const { metadata } = await prepare(await quarters(3, 2).tiff().png().toBuffer());
    expect([metadata.width, metadata.height]).toEqual([3, 2]);
  });
});

describe('metadata', () => {
  it.each(['jpeg', 'png'] as const)('of a %s goes, and the picture stays as it is', async (format) => {
    const bytes = await quarters(320, 200)
      [format]()
      .withExif(cameraExif)
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
      .toBuffer();
    expect(bytes.includes('canary-owner')).toBe(true);
    const { output, metadata, note } = await prepare(bytes);
    expect(note).toBe('Metadata was removed.');
    expect([metadata.exif, metadata.xmp, metadata.icc]).toEqual([undefined, undefined, undefined]);
    expect(output.includes('canary')).toBe(false);
    expect(await sharp(output).raw().toBuffer()).toEqual(await sharp(bytes).raw().toBuffer());
  });

  it.each(['jpeg', 'webp', 'avif', 'png'] as const)(
    'of a %s goes when it is encoded anew',
    async (format) => {
      const bytes = await quarters(320, 200)
        [format]()
        .withExif(cameraExif)
        .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
        .toBuffer();
      const { output, metadata } = await prepare(bytes, imageLimits({ maxSide: 100 }));
      expect([metadata.exif, metadata.xmp, metadata.iptc]).toEqual([undefined, undefined, undefined]);
      expect(output.includes('canary')).toBe(false);
      expect(Math.max(metadata.width, metadata.height)).toBe(100);
    },
  );

  it.each(['jpeg', 'png', 'gif', 'webp'] as const)('nothing hides behind the end of a %s', async (format) => {
    const tail = Buffer.from('PK\x03\x04 <script>canary</script>');
    const bytes = Buffer.concat([await quarters(64, 64)[format]().toBuffer(), tail]);
    const { output } = await prepare(bytes);
    expect(output.includes('canary')).toBe(false);
    expect(await quarterColours(output)).toEqual(await quarterColours(bytes));
  });

  it('a comment, a thumbnail and a second picture go', async () => {
    const plain = await quarters(64, 64).jpeg().toBuffer();
    const segment = (marker: number, content: string) =>
      Buffer.concat([Buffer.from([0xff, marker, 0, content.length + 2]), Buffer.from(content, 'latin1')]);
    const bytes = Buffer.concat([
      plain.subarray(0, 2),
      segment(0xfe, 'canary comment'),
      segment(0xe0, 'JFXX\0\x10canary thumbnail'),
      segment(0xe2, 'MPF\0canary'),
      segment(0xed, 'Photoshop 3.0\0canary'),
      plain.subarray(2),
      plain,
    ]);
    expect((await prepare(bytes)).output).toEqual(plain);
  });
});

describe('an animated PNG', () => {
  /** A still PNG with the chunks that make it one of two frames, the second left as it may be. */
  const animated = (still: Buffer) => {
    const chunk = (type: string, content: Buffer) => {
      const body = Buffer.concat([Buffer.from(type), content]);
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(content.length);
      sum.writeUInt32BE(crc32(body));
      return Buffer.concat([length, body, sum]);
    };
    const afterHeader = 8 + 25;
    const counts = Buffer.from([0, 0, 0, 2, 0, 0, 0, 0]);
    return Buffer.concat([
      still.subarray(0, afterHeader),
      chunk('acTL', counts),
      still.subarray(afterHeader),
    ]);
  };

  it('becomes its first picture, and the note says why', async () => {
    const still = await quarters(64, 48).png().toBuffer();
    const { output, kind, note } = await prepareBytes(animated(still), images);
    expect([output.equals(still), kind]).toEqual([true, 'image']);
    expect(note).toBe('Only the first picture was kept, since X shows no animated PNG (send a GIF instead).');
  });

  it('that has to be made smaller too', async () => {
    const large = animated(await quarters(64, 48).png().toBuffer());
    const { note } = await prepareBytes(large, images, imageLimits({ maxSide: 32 }));
    expect(note).toMatch(
      /^Only the first picture was kept, since .* and scaled from 64×48 to 32×24 pixels\.$/,
    );
  });
});

/** The same PNG with its EXIF behind the picture, where it may stand as well. */
function exifBehind(png: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 8; at < png.length; at += chunks.at(-1)?.length ?? 0)
    chunks.push(png.subarray(at, at + 12 + png.readUInt32BE(at)));
  const isExif = (chunk: Buffer) => chunk.toString('latin1', 4, 8) === 'eXIf';
  const others = chunks.filter((chunk) => !isExif(chunk));
  return Buffer.concat([
    png.subarray(0, 8),
    ...others.slice(0, -1),
    ...chunks.filter(isExif),
    ...others.slice(-1),
  ]);
}

describe('orientation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    '%i is applied also where it stands behind a PNG',
    async (orientation) => {
      const usual = await quarters(200, 120).withMetadata({ orientation }).png().toBuffer();
      const behind = exifBehind(usual);
      expect((await sharp(behind).metadata()).orientation).toBeUndefined();
      const [expected, made] = [await prepare(usual), await prepare(behind)];
      expect(await quarterColours(made.output)).toEqual(await quarterColours(expected.output));
      expect(made.metadata).toEqual(expected.metadata);
      expect(made.note).toBe(expected.note);
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i is applied and then gone', async (orientation) => {
    const upright = await quarters(200, 120).jpeg().toBuffer();
    // What a camera held otherwise writes: the pixels turned back, and a tag that says so.
    const inverse = [1, 2, 3, 4, 5, 8, 7, 6][orientation - 1];
    const turned = await sharp(
      await sharp(upright)
        .withMetadata({ orientation: inverse ?? 1 })
        .toBuffer(),
    )
      .autoOrient()
      .jpeg({ quality: 100 })
      .toBuffer();
    const bytes = await sharp(turned).withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();
    const { output, metadata } = await prepare(bytes);
    expect([metadata.width, metadata.height, metadata.orientation]).toEqual([200, 120, undefined]);
    expect(await quarterColours(output)).toEqual(['100', '010', '001', '110']);
  });
});

describe('colours', () => {
  it('of another profile are converted, not relabelled', async () => {
    const bytes = await sharp({ create: { width: 40, height: 40, channels: 3, background: '#40c080' } })
      .withIccProfile('p3')
      .png()
      .toBuffer();
    expect((await sharp(bytes).metadata()).icc).toBeDefined();
    const { output, metadata, note } = await prepare(bytes);
    expect(metadata.icc).toBeUndefined();
    expect(note).toMatch(/sRGB/);
    const [r = 0, g = 0, b = 0] = await sharp(output).raw().toBuffer();
    for (const [seen, wanted] of [
      [r, 0x40],
      [g, 0xc0],
      [b, 0x80],
    ] as const)
      expect(Math.abs(seen - wanted)).toBeLessThan(6);
  });

  it.each([
    ['CMYK', () => quarters(200, 120).toColourspace('cmyk').jpeg()],
    ['16 bits', () => quarters(200, 120).toColourspace('rgb16').png()],
  ])('in %s become plain ones', async (_name, make) => {
    const bytes = await make().toBuffer();
    const { output, metadata } = await prepare(bytes);
    expect([metadata.space, metadata.depth]).toEqual(['srgb', 'uchar']);
    expect(await quarterColours(output)).toEqual(await quarterColours(await sharp(bytes).png().toBuffer()));
  });
});
