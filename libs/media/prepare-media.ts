import { createImagePool, type ImagePool } from './image-pool.ts';
import { inspect } from './inspect.ts';
import { mediaLimits } from './media-limits.ts';
import { prepareAnimatedWebp, prepareGif } from './prepare-gif.ts';
import { prepareImage } from './prepare-image.ts';
import { prepareVideo } from './prepare-video.ts';
import type { PreparedMedia, PrepareOptions, Work } from './prepared-media.ts';

let ownImages: ImagePool | null = null;
// Its children end themselves when they are idle and with this process: there is nothing to close.
const images = () => (ownImages ??= createImagePool());

/** Readies what will look at a video that is still coming in. */
export function expectVideo(): void {
  // A child that does not start now is started, and its failure told, when it is needed.
  images()
    .run({ act: 'load' })
    .catch(() => {});
}

/**
 * Makes of a file, whatever it is called, one that X accepts: passed as it is where it can be, else changed as little
 * as possible.
 * @throws {ProblemError} media_unsupported, media_broken, media_too_large, storage_full
 */
export async function prepareMedia(file: string, options: PrepareOptions): Promise<PreparedMedia> {
  const work: Work = { limits: mediaLimits, images: images(), ...options };
  work.signal?.throwIfAborted();
  const inspection = await inspect(file, work);
  if (inspection.kind === 'gif') return await prepareGif(file, inspection, work);
  if (inspection.kind === 'video') return await prepareVideo(file, inspection, work);
  const isAnimatedWebp = inspection.format === 'webp' && inspection.frames > 1;
  return await (isAnimatedWebp ? prepareAnimatedWebp : prepareImage)(file, inspection, work);
}
