import type { GifHeader } from './gif.ts';
import type { GifLimits } from './media-limits.ts';
import { megabytes, type Refuse } from './plan.ts';
import { lengthOf, type Stretch } from './stretches.ts';

/** What an animation is, whichever format it has. */
export type AnimationSize = Pick<GifHeader, 'width' | 'height' | 'frames' | 'bytes'>;

/** The size and the frames that a smaller GIF gets. */
export interface GifRendering {
  readonly act: 'render';
  readonly width: number;
  readonly height: number;
  /** 1 keeps every frame, 2 every other one, … */
  readonly keepEvery: number;
}

export type GifPlan =
  | { readonly act: 'pass' }
  | { readonly act: 'strip'; readonly stretches: readonly Stretch[] }
  | GifRendering
  | Refuse;

/** What is left free when the bytes of a smaller GIF are guessed: fewer pixels take more bytes each. */
const guessedShare = 0.75;
const mostFramesLeftOut = 6;

/** Decides whether an animated GIF may stay as it is, and how it is reduced otherwise: size first, then frames. */
export function planGif(gif: GifHeader, limits: GifLimits): GifPlan {
  const fits =
    gif.width <= limits.maxWidth &&
    gif.height <= limits.maxHeight &&
    gif.frames <= limits.maxFrames &&
    gif.width * gif.height * gif.frames <= limits.maxTotalPixels &&
    gif.stretches !== null &&
    lengthOf(gif.stretches) <= limits.maxBytes;
  if (!fits || gif.stretches === null) return planReduction(gif, limits);
  return lengthOf(gif.stretches) === gif.bytes ? { act: 'pass' } : { act: 'strip', stretches: gif.stretches };
}

/** Decides how an animation becomes a GIF within the limits. */
export function planReduction(animation: AnimationSize, limits: GifLimits): GifRendering | Refuse {
  const { width, height, frames, bytes } = animation;
  const pixels = width * height * frames;
  if (pixels > limits.maxInputPixels || bytes > limits.maxInputBytes)
    return {
      act: 'refuse',
      code: 'media_too_large',
      detail:
        `The animation has ${frames} frames of ${width}×${height} pixels and ${megabytes(bytes)}, ` +
        'which is too much to make smaller here. Send it as an MP4 video, or make it shorter.',
    };
  let keepEvery = Math.ceil(frames / limits.maxFrames);
  let scale = scaleFor(animation, keepEvery, limits);
  // Fewer frames leave each of them more bytes and pixels; they do not change what fits side by side.
  const long = Math.max(width, height);
  const widest = Math.min(1, limits.maxWidth / width, limits.maxHeight / height);
  const smallest = Math.min(limits.minReducedSide / long, widest / 2);
  while (scale < smallest && keepEvery < mostFramesLeftOut) {
    keepEvery += 1;
    scale = scaleFor(animation, keepEvery, limits);
  }
  const side = (length: number) => Math.max(1, Math.floor(length * scale));
  return { act: 'render', width: side(width), height: side(height), keepEvery };
}

function scaleFor(
  { width, height, frames, bytes }: AnimationSize,
  keepEvery: number,
  limits: GifLimits,
): number {
  const kept = Math.ceil(frames / keepEvery);
  const pixels = width * height * kept;
  const keptBytes = (bytes * kept) / frames;
  const wanted = [
    limits.maxWidth / width,
    limits.maxHeight / height,
    Math.sqrt(Math.min(limits.maxRenderedPixels, limits.maxTotalPixels) / pixels),
    keptBytes > limits.maxBytes ? Math.sqrt((limits.maxBytes * guessedShare) / keptBytes) : 1,
  ];
  return Math.min(1, ...wanted);
}
