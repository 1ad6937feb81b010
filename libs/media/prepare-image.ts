import { rm } from 'node:fs/promises';
import { ProblemError } from '#libs/problem/problem.ts';
import { copyStretches } from './copy-stretches.ts';
import type { MediaFormat } from './detect-format.ts';
import type { RenderedImage } from './image-task.ts';
import type { ImageInspection } from './inspect.ts';
import { planImage } from './plan.ts';
import { describe, outputFor, type PreparedMedia, toNote, type Work } from './prepared-media.ts';

/** Makes a picture fit: its own bytes where they may stay, else encoded anew in a child. */
export async function prepareImage(file: string, image: ImageInspection, work: Work): Promise<PreparedMedia> {
  const { maxBytes, maxSide, maxInputPixels: maxPixels } = work.limits.image;
  const { format } = image;
  const plan = planImage(image, work.limits.image);
  if (plan.act === 'refuse') throw new ProblemError(plan.code, plan.detail);
  if (plan.act === 'render') {
    const output = outputFor(file, 'image', work);
    const task = {
      act: 'render',
      file,
      format,
      maxPixels,
      output,
      maxBytes,
      maxSide,
      formats: plan.formats,
    } as const;
    await work.room?.grow(maxBytes);
    const rendered = await removeIfFailed(output, () => work.images.run(task, work.signal));
    return await describe(output, 'image', rendered.format, noteOn(image, rendered));
  }
  // The decoder says whether a picture is whole; its pixels are not needed.
  const verify = (path: string) =>
    work.images.run({ act: 'verify', file: path, format, maxPixels, pages: 1 }, work.signal);
  if (plan.act === 'pass') {
    await verify(file);
    return await describe(file, 'image', format, null, work.sha256);
  }
  const output = outputFor(file, 'image', work);
  await work.room?.grow(image.bytes);
  await removeIfFailed(output, async () => {
    await copyStretches(file, plan.stretches, output);
    await verify(output);
  });
  return await describe(output, 'image', format, toNote([animationNote(image) ?? 'metadata was removed']));
}

/** Runs what writes a file; a half-written one does not stay. */
export async function removeIfFailed<T>(file: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

function noteOn(image: ImageInspection, rendered: RenderedImage): string | null {
  const isScaled = rendered.width !== image.width || rendered.height !== image.height;
  return (
    toNote([
      image.frames > 1 ? 'only the first frame was kept' : animationNote(image),
      isScaled
        ? `scaled from ${image.width}×${image.height} to ${rendered.width}×${rendered.height} pixels`
        : null,
      rendered.format === image.format
        ? null
        : `converted from ${nameOf(image.format)} to ${nameOf(rendered.format)}`,
      image.orientation === 1 ? null : 'turned upright',
      image.profile === 'other' ? 'colours converted to sRGB' : null,
      rendered.quality === null ? null : `compressed at quality ${rendered.quality}`,
    ]) ?? 'Saved anew without metadata.'
  );
}

function animationNote({ isAnimatedPng }: ImageInspection): string | null {
  return isAnimatedPng
    ? 'only the first picture was kept, since X shows no animated PNG (send a GIF instead)'
    : null;
}

function nameOf(format: MediaFormat): string {
  return format === 'webp' ? 'WebP' : format.toUpperCase();
}
