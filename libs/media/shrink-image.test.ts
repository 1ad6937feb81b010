import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { noise, photo, quarterColours, quarters } from './test-pictures.ts';
import { imageLimits, prepareBytes } from './test-prepare.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 2 });
});
afterAll(() => images[Symbol.asyncDispose]());

const prepare = (bytes: Buffer, limits = mediaLimits) => prepareBytes(bytes, images, limits);

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
