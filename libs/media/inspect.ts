import { readFile, stat } from 'node:fs/promises';
import { ProblemError } from '#libs/problem/problem.ts';
import { detectFormat, type ImageFormat } from './detect-format.ts';
import { type GifHeader, readGif } from './gif.ts';
import type { ImagePool } from './image-pool.ts';
import { pictureStretches, type Stretch } from './image-structure.ts';
import type { ImageHeader } from './image-task.ts';
import type { MediaLimits } from './media-limits.ts';
import type { VideoHeader } from './probe-video.ts';

/** What a file is, as far as can be told without decoding it. */
export type Inspection = ImageInspection | GifInspection | VideoInspection;

export interface ImageInspection extends ImageHeader {
  readonly kind: 'image';
  readonly format: ImageFormat | 'gif';
  readonly bytes: number;
  /** What the picture is made of; null when nothing can be left out without encoding anew. */
  readonly stretches: readonly Stretch[] | null;
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

async function inspectGif(file: string, options: InspectOptions): Promise<Inspection> {
  const header = await readGif(file);
  if (header.frames > 1) return { kind: 'gif', ...header };
  const { width, height } = header;
  if (width * height > options.limits.image.maxInputPixels) throw tooManyPixels();
  const still = await inspectHeader(file, 'gif', options);
  // libvips takes a screen that is too large for it as 1×1.
  if (still.width !== width || still.height !== height) throw tooManyPixels();
  return { ...still, kind: 'image', format: 'gif', bytes: header.bytes, stretches: header.stretches };
}

async function inspectImage(file: string, format: ImageFormat, options: InspectOptions): Promise<Inspection> {
  const { size: bytes } = await stat(file);
  const header = await inspectHeader(file, format, options);
  // A larger file is encoded anew in any case.
  const mayFit = bytes <= 2 * options.limits.image.maxBytes;
  const stretches = mayFit ? pictureStretches(format, await readFile(file)) : null;
  return { ...header, kind: 'image', format, bytes, stretches };
}

async function inspectHeader(
  file: string,
  format: ImageFormat | 'gif',
  options: InspectOptions,
): Promise<ImageHeader> {
  const { limits, images, signal } = options;
  return await images.run({ act: 'inspect', file, format, maxPixels: limits.image.maxInputPixels }, signal);
}

function tooManyPixels(): ProblemError {
  return new ProblemError('media_too_large', 'The GIF has too many pixels. Send a smaller one.');
}
