import { createHash } from 'node:crypto';
import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';

/** Prepares bytes from a file without a telling name, and reads back what came of it. */
export async function prepareBytes(bytes: Buffer, images: ImagePool, limits = mediaLimits) {
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

/** Today's limits, but for some of those of images. */
export const imageLimits = (image: Partial<typeof mediaLimits.image>) => ({
  ...mediaLimits,
  image: { ...mediaLimits.image, ...image },
});
