import { ProblemError } from '#libs/problem/problem.ts';
import { copyStretches } from './copy-stretches.ts';
import type { RenderedGif } from './image-task.ts';
import type { GifInspection, ImageInspection } from './inspect.ts';
import { type AnimationSize, type GifRendering, planGif, planReduction } from './plan-gif.ts';
import { removeIfFailed } from './prepare-image.ts';
import { describe, outputFor, type PreparedMedia, toNote, type Work } from './prepared-media.ts';

/** Makes an animated GIF fit: as it is where it can be, else smaller and with fewer frames. */
export async function prepareGif(file: string, gif: GifInspection, work: Work): Promise<PreparedMedia> {
  const { limits } = work;
  const plan = planGif(gif, limits.gif);
  if (plan.act === 'refuse') throw new ProblemError(plan.code, plan.detail);
  if (plan.act === 'render') return await reduce(file, gif, plan, work, 'gif');
  // Whole as far as its structure says; the first frames are decoded too.
  const pages = Math.max(1, Math.floor(limits.gif.maxVerifiedPixels / (gif.width * gif.height)));
  const verify = (path: string) => {
    const { maxInputPixels: maxPixels, maxCpuMs } = limits.gif;
    const task = { act: 'verify', file: path, format: 'gif', maxPixels, maxCpuMs } as const;
    return work.images.run({ ...task, pages: Math.min(gif.frames, pages) }, work.signal);
  };
  if (plan.act === 'pass') {
    await verify(file);
    return await describe(file, 'gif', 'gif', null, work.sha256);
  }
  const output = outputFor(file, 'gif', work);
  await work.room?.grow(gif.bytes);
  await removeIfFailed(output, async () => {
    await copyStretches(file, plan.stretches, output);
    await verify(output);
  });
  return await describe(output, 'gif', 'gif', toNote(['metadata was removed']));
}

/** Makes a GIF of an animated WebP, which X shows as a still. */
export async function prepareAnimatedWebp(
  file: string,
  image: ImageInspection,
  work: Work,
): Promise<PreparedMedia> {
  const plan = planReduction(image, work.limits.gif);
  if (plan.act === 'refuse') throw new ProblemError(plan.code, plan.detail);
  return await reduce(file, image, plan, work, 'webp');
}

async function reduce(
  file: string,
  animation: AnimationSize,
  plan: GifRendering,
  work: Work,
  format: 'gif' | 'webp',
): Promise<PreparedMedia> {
  const { maxBytes, maxInputPixels: maxPixels, maxCpuMs } = work.limits.gif;
  const { width, height, keepEvery } = plan;
  const { frames } = animation;
  const output = outputFor(file, 'gif', work);
  const task = {
    act: 'renderGif',
    file,
    format,
    maxPixels,
    output,
    maxBytes,
    width,
    height,
    frames,
    keepEvery,
    maxCpuMs,
  } as const;
  await work.room?.grow(maxBytes);
  const rendered = await removeIfFailed(output, () => work.images.run(task, work.signal));
  return await describe(output, 'gif', 'gif', noteOn(animation, rendered, format));
}

function noteOn(before: AnimationSize, after: RenderedGif, format: 'gif' | 'webp'): string | null {
  const isScaled = before.width !== after.width || before.height !== after.height;
  return (
    toNote([
      format === 'webp' ? 'converted from WebP to GIF' : null,
      isScaled
        ? `scaled from ${before.width}×${before.height} to ${after.width}×${after.height} pixels`
        : null,
      before.frames === after.frames ? null : `reduced from ${before.frames} to ${after.frames} frames`,
    ]) ?? 'Saved anew without metadata.'
  );
}
