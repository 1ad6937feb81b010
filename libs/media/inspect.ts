import { detectFormat, type ImageFormat } from './detect-format.ts';
import type { GifHeader } from './gif.ts';
import type { ImagePool } from './image-pool.ts';
import type { ImageHeader } from './image-task.ts';
import type { MediaLimits } from './media-limits.ts';
import type { VideoHeader } from './probe-video.ts';

/** What a file is, as far as can be told without decoding it. */
export type Inspection = ImageInspection | GifInspection | VideoInspection;

export interface ImageInspection extends ImageHeader {
  readonly kind: 'image';
  readonly format: ImageFormat | 'gif';
}

export interface GifInspection extends GifHeader {
  readonly kind: 'gif';
}

export interface VideoInspection extends VideoHeader {
  readonly kind: 'video';
}

export interface InspectOptions {
  readonly limits: MediaLimits;
  readonly images: ImagePool;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds out what a file is, by its content.
 * @throws {ProblemError} media_unsupported, media_broken, media_too_large
 */
export async function inspect(file: string, options: InspectOptions): Promise<Inspection> {
  const format = await detectFormat(file);
  if (format === 'gif') return await inspectGif(file, options);
  if (format === 'jpeg' || format === 'png' || format === 'webp' || format === 'avif')
    return await inspectImage(file, format, options);
  const header = await options.images.run({ act: 'probe', file, format }, options.signal);
  return { ...header, kind: 'video' };
}

async function inspectGif(file: string, { images, limits, signal }: InspectOptions): Promise<Inspection> {
  const maxPixels = limits.image.maxInputPixels;
  const { maxCpuMs } = limits.gif;
  const task = { act: 'inspectGif', file, format: 'gif', maxPixels, maxCpuMs } as const;
  const { gif, image } = await images.run(task, signal);
  return gif.frames > 1 ? { kind: 'gif', ...gif } : { kind: 'image', format: 'gif', ...image };
}

async function inspectImage(
  file: string,
  format: ImageFormat,
  { images, limits, signal }: InspectOptions,
): Promise<Inspection> {
  const { maxInputPixels: maxPixels, maxBytes } = limits.image;
  const task = { act: 'inspect', file, format, maxPixels, maxStructureBytes: 2 * maxBytes } as const;
  return { kind: 'image', format, ...(await images.run(task, signal)) };
}
