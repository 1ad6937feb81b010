import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DoesNotFitError, openImage } from './image-decoder.ts';
import type { GifRenderTask, RenderedGif } from './image-task.ts';

/** The frames of an animation, one below the other, and how long each is shown. */
interface Animation {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly delaysMs: readonly number[];
  /** How often it is shown; 0 is for ever. */
  readonly loop: number;
}

/** Makes a smaller GIF of an animation; the size is reduced further, up to three times, until the bytes fit. */
export async function renderGif(task: GifRenderTask): Promise<RenderedGif> {
  let { width, height } = task;
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const animation = keepFrames(await decode(task, width, height), task.keepEvery);
    const gif = await encode(animation);
    const frames = animation.delaysMs.length;
    if (gif.length <= task.maxBytes) {
      await writeFile(task.output, gif);
      return { width: animation.width, height: animation.height, frames, bytes: gif.length };
    }
    const factor = Math.sqrt(task.maxBytes / gif.length) * 0.9;
    width = Math.max(1, Math.round(width * factor));
    height = Math.max(1, Math.round(height * factor));
  }
  throw new DoesNotFitError(`Does not fit into ${task.maxBytes} bytes`);
}

/** Frames are read one after the other and scaled at once, so that the large ones are never in memory together. */
async function decode(task: GifRenderTask, width: number, height: number): Promise<Animation> {
  const source = { ...task, pages: task.frames };
  const { delay = [], loop = 0 } = await openImage(source).metadata();
  const { data, info } = await openImage(source)
    .resize({ width, height, fit: 'fill' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 && info.channels !== 4) throw new Error(`${info.channels} channels`);
  const delaysMs = Array.from({ length: task.frames }, (_, index) => delay[index] ?? delay.at(-1) ?? 100);
  return {
    data,
    width: info.width,
    height: info.height / task.frames,
    channels: info.channels,
    delaysMs,
    loop,
  };
}

/** Leaves frames out; the one before is shown for their time too. */
function keepFrames(animation: Animation, keepEvery: number): Animation {
  if (keepEvery === 1) return animation;
  const frameBytes = animation.width * animation.height * animation.channels;
  const pieces: Buffer[] = [];
  const delaysMs: number[] = [];
  for (let frame = 0; frame < animation.delaysMs.length; frame += keepEvery) {
    pieces.push(animation.data.subarray(frame * frameBytes, (frame + 1) * frameBytes));
    delaysMs.push(
      animation.delaysMs.slice(frame, frame + keepEvery).reduce((sum, delayMs) => sum + delayMs, 0),
    );
  }
  return { ...animation, data: Buffer.concat(pieces), delaysMs };
}

async function encode({ data, width, height, channels, delaysMs, loop }: Animation): Promise<Buffer> {
  const raw = { width, height: height * delaysMs.length, channels, pageHeight: height };
  // More effort takes five times as long for a few percent; small differences between frames are not worth their bytes.
  return await sharp(data, { raw })
    .gif({ effort: 1, interFrameMaxError: 4, delay: [...delaysMs], loop })
    .toBuffer();
}
