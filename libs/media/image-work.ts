import { inspectGif, inspectImage, useLoader, verifyImage } from './image-decoder.ts';
import type { ImageResults, ImageTask, LoadTask, ProbeTask } from './image-task.ts';
import { renderGif } from './render-gif.ts';
import { renderImage } from './render-image.ts';

/** Does what needs the decoders of pictures. */
export async function workOnImage(
  task: Exclude<ImageTask, ProbeTask | LoadTask>,
): Promise<ImageResults[keyof ImageResults]> {
  useLoader(task.format);
  if (task.act === 'inspect') return await inspectImage(task);
  if (task.act === 'inspectGif') return await inspectGif(task);
  if (task.act === 'verify') return await verifyImage(task);
  return task.act === 'render' ? await renderImage(task) : await renderGif(task);
}
