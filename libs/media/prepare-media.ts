import { ProblemError } from '#libs/problem/problem.ts';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { inspect } from './inspect.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareImage } from './prepare-image.ts';
import type { PreparedMedia, PrepareOptions, Work } from './prepared-media.ts';

let ownImages: ImagePool | null = null;

/**
 * Makes of a file, whatever it is called, one that X accepts: passed as it is where it can be, else changed as little
 * as possible.
 * @throws {ProblemError} media_unsupported, media_broken, media_too_large, storage_full
 */
export async function prepareMedia(file: string, options: PrepareOptions): Promise<PreparedMedia> {
  // Its children end themselves when they are idle and with this process: there is nothing to close.
  ownImages ??= createImagePool();
  const work: Work = { limits: mediaLimits, images: ownImages, ...options };
  work.signal?.throwIfAborted();
  const inspection = await inspect(file, work);
  if (inspection.kind === 'image') return await prepareImage(file, inspection, work);
  throw new ProblemError('media_unsupported', 'not yet');
}
