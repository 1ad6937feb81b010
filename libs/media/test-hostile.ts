import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { expect } from 'vitest';
import { ProblemError } from '#libs/problem/problem.ts';
import type { ImagePool } from './image-pool.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareMedia } from './prepare-media.ts';
import type { PreparedMedia } from './prepared-media.ts';

/** What comes of bytes: a file that X takes, or a problem that the user can act on. Anything else fails the test. */
export async function outcomeOf(bytes: Buffer, images: ImagePool): Promise<PreparedMedia | ProblemError> {
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
/** Good files, damaged in one of the ways that break parsers. */
export function mutate(bytes: Buffer, kind: number, at: number, value: number): Buffer {
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

/** What to do to a file: the way, the place and a byte. */
export const mutation = fc.tuple(fc.nat(5), fc.nat(), fc.nat(255));
