import { createHash } from 'node:crypto';
import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import { cameraExif, noise, photo, quarterColours, quarters } from './test-pictures.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2 });
});
afterAll(() => images[Symbol.asyncDispose]());

/** Prepares bytes from a file without a telling name, and reads back what came of it. */
async function prepare(bytes: Buffer, limits = mediaLimits) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'prepare-image-'));
  const file = join(folder.path, '0');
  await writeFile(file, bytes);
  try {
    const prepared = await prepareMedia(file, { outputFolder: folder.path, limits, images });
    const output = await readFile(prepared.path);
    expect(prepared.bytes).toBe(output.length);
    expect(prepared.sha256).toBe(createHash('sha256').update(output).digest('hex'));
    return { ...prepared, output, metadata: await sharp(output).metadata() };
  } catch (error) {
    expect(await readdir(folder.path), 'nothing half-written stays').toEqual(['0']);
    throw error;
  }
}

const imageLimits = (image: Partial<typeof mediaLimits.image>) => ({
  ...mediaLimits,
  image: { ...mediaLimits.image, ...image },
});

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

describe('orientation', () => {
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

describe('a picture that is too large', () => {
  it('a photo of 24 megapixels is scaled and compressed to just within the limit', async () => {
    const bytes = await (await photo(6000, 4000)).jpeg({ quality: 95 }).toBuffer();
    const maxBytes = 1_500_000;
    const { metadata, bytes: size, note, mediaType } = await prepare(bytes, imageLimits({ maxBytes }));
    expect([metadata.width, metadata.height, mediaType]).toEqual([4096, 2731, 'image/jpeg']);
    expect(size).toBeLessThanOrEqual(maxBytes);
    expect(size).toBeGreaterThan(maxBytes * 0.85);
    expect(note).toMatch(/^Scaled from 6000×4000 to 4096×2731 pixels and compressed at quality \d+\.$/);
  });

  it('a PNG stays a PNG while it fits', async () => {
    const { metadata, mediaType, note } = await prepare(await quarters(5000, 1000).png().toBuffer());
    expect([metadata.width, metadata.height, mediaType]).toEqual([4096, 819, 'image/png']);
    expect(note).toBe('Scaled from 5000×1000 to 4096×819 pixels.');
  });

  it('a PNG that cannot fit becomes a JPEG, or a WebP when it is transparent', async () => {
    const limits = imageLimits({ maxBytes: 300_000 });
    const opaque = await prepare(await noise(600, 400).png().toBuffer(), limits);
    expect([opaque.mediaType, opaque.metadata.width]).toEqual(['image/jpeg', 600]);
    const seemingly = await prepare(await noise(600, 400).ensureAlpha(1).png().toBuffer(), limits);
    expect(seemingly.mediaType).toBe('image/jpeg');
    const transparent = await prepare(await noise(600, 400, 4).png().toBuffer(), limits);
    expect([transparent.mediaType, transparent.metadata.hasAlpha]).toEqual(['image/webp', true]);
    for (const { bytes } of [opaque, transparent, seemingly]) expect(bytes).toBeLessThanOrEqual(300_000);
  });

  it('is made smaller when no bearable quality fits', async () => {
    const { metadata, bytes } = await prepare(
      await noise(800, 600).jpeg().toBuffer(),
      imageLimits({ maxBytes: 20_000 }),
    );
    expect(bytes).toBeLessThanOrEqual(20_000);
    expect(metadata.width).toBeLessThan(400);
    expect(metadata.width / metadata.height).toBeCloseTo(4 / 3, 1);
  });

  it.each([
    [1, 20_000, 1, 4096],
    [20_000, 1, 4096, 1],
    [9_000, 3, 4096, 1],
  ])('%i × %i keeps its shape as far as it can', async (width, height, newWidth, newHeight) => {
    const { metadata } = await prepare(await quarters(width, height).png().toBuffer());
    expect([metadata.width, metadata.height]).toEqual([newWidth, newHeight]);
  });

  it('is refused when it has more pixels than may be decoded', async () => {
    const bytes = await sharp({ create: { width: 9_000, height: 6_000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    expect(bytes.length).toBeLessThan(1_000_000);
    await expect(prepare(bytes)).rejects.toMatchObject({ code: 'media_too_large', detail: /pixels/ });
  });
});

describe('an AVIF', () => {
  it('becomes a JPEG, or a PNG when it is transparent', async () => {
    const opaque = await prepare(await quarters(200, 120).avif().toBuffer());
    expect(opaque).toMatchObject({ mediaType: 'image/jpeg', note: /converted from AVIF to JPEG/i });
    expect(await quarterColours(opaque.output)).toEqual(['100', '010', '001', '110']);
    const transparent = await prepare(await quarters(200, 120).ensureAlpha(0.5).avif().toBuffer());
    expect(transparent).toMatchObject({ mediaType: 'image/png', metadata: { hasAlpha: true } });
  });
});
