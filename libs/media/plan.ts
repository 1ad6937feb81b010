import type { ProblemCode } from '#libs/problem/problem.ts';
import type { RenderTask } from './image-task.ts';
import type { ImageInspection } from './inspect.ts';
import type { ImageLimits } from './media-limits.ts';
import { lengthOf, type Stretch } from './stretches.ts';

/** What is to be done with a file. */
export interface Refuse {
  readonly act: 'refuse';
  readonly code: ProblemCode;
  /** What is wrong and what to do, as the user reads it. */
  readonly detail: string;
}

export type ImagePlan =
  /** The file as it is. */
  | { readonly act: 'pass' }
  /** The picture's own bytes, without what else the file carries. */
  | { readonly act: 'strip'; readonly stretches: readonly Stretch[] }
  | { readonly act: 'render'; readonly formats: RenderTask['formats'] }
  | Refuse;

const jpegAlways: RenderTask['formats'] = { opaque: ['jpeg'], transparent: ['png', 'webp'] };
const webpAlways: RenderTask['formats'] = { opaque: ['webp'], transparent: ['webp'] };
const pngFirst: RenderTask['formats'] = { opaque: ['png', 'jpeg'], transparent: ['png', 'webp'] };

/** What each format becomes when it is encoded anew: itself where it can be, another one where it cannot fit. */
const formatsFor: Readonly<Record<ImageInspection['format'], RenderTask['formats']>> = {
  jpeg: jpegAlways,
  avif: jpegAlways,
  webp: webpAlways,
  png: pngFirst,
  gif: pngFirst,
};

/** Decides what a picture needs to be taken by X, and to tell nothing but itself. */
export function planImage(image: ImageInspection, limits: ImageLimits): ImagePlan {
  const refusal = refuseImage(image, limits);
  if (refusal) return refusal;
  const render: ImagePlan = { act: 'render', formats: formatsFor[image.format] };
  const isUpright = image.orientation === 1;
  const hasPlainColours = image.isPlainColour && image.profile !== 'other';
  const hasFittingSize = Math.max(image.width, image.height) <= limits.maxSide;
  if (!isUpright || !hasPlainColours || !hasFittingSize || image.frames > 1 || image.stretches === null)
    return render;
  const pictureBytes = lengthOf(image.stretches);
  if (pictureBytes > limits.maxBytes) return render;
  return pictureBytes === image.bytes ? { act: 'pass' } : { act: 'strip', stretches: image.stretches };
}

function refuseImage(image: ImageInspection, limits: ImageLimits): Refuse | null {
  const pixels = image.width * image.height;
  const { maxInputPixels, maxInputBytes } = limits;
  const tooMuch =
    pixels > maxInputPixels
      ? `The picture has ${Math.ceil(pixels / 1e6)} million pixels; at most ${Math.floor(maxInputPixels / 1e6)} million can be processed.`
      : image.bytes > maxInputBytes
        ? `The picture has ${megabytes(image.bytes)}; at most ${megabytes(maxInputBytes)} can be processed.`
        : null;
  return tooMuch === null
    ? null
    : { act: 'refuse', code: 'media_too_large', detail: `${tooMuch} Send a smaller one.` };
}

/** Bytes as people read them. */
export function megabytes(bytes: number): string {
  const value = bytes / 1024 / 1024;
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} MB`;
}
