import { createImagePool, type ImagePool } from './image-pool.ts';
import { inspect } from './inspect.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareAnimatedWebp, prepareGif } from './prepare-gif.ts';
import { prepareImage } from './prepare-image.ts';
import { prepareVideo } from './prepare-video.ts';
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
  if (inspection.kind === 'gif') return await prepareGif(file, inspection, work);
  if (inspection.kind === 'video') return await prepareVideo(file, inspection, work);
  const isAnimatedWebp = inspection.format === 'webp' && inspection.frames > 1;
  return await (isAnimatedWebp ? prepareAnimatedWebp : prepareImage)(file, inspection, work);
}
