import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DoesNotFitError } from './decode-errors.ts';
import { openImage } from './image-decoder.ts';
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

// More effort takes five times as long for a few percent. Dithering is noise to the next compression: without it the
// bytes are a third fewer and the time is a third shorter.
const encoding = { effort: 1, dither: 0 } as const;

/** Makes a smaller GIF of an animation; the size is reduced further, up to three times, until the bytes fit. */
export async function renderGif(task: GifRenderTask): Promise<RenderedGif> {
  let { width, height } = task;
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const gif = task.keepEvery === 1 ? await scale(task, width, height) : await thinOut(task, width, height);
    if (gif.length <= task.maxBytes) {
      await writeFile(task.output, gif);
      return { width, height, frames: Math.ceil(task.frames / task.keepEvery), bytes: gif.length };
    }
    const factor = Math.sqrt(task.maxBytes / gif.length) * 0.9;
    width = Math.max(1, Math.round(width * factor));
    height = Math.max(1, Math.round(height * factor));
  }
  throw new DoesNotFitError(`Does not fit into ${task.maxBytes} bytes`);
}

/** From decoder to encoder frame by frame: large ones are never in memory together, and the palette is used again. */
async function scale(task: GifRenderTask, width: number, height: number): Promise<Buffer> {
  return await openImage({ ...task, pages: task.frames })
    .resize({ width, height, fit: 'fill' })
    .gif(encoding)
    .toBuffer();
}

async function thinOut(task: GifRenderTask, width: number, height: number): Promise<Buffer> {
  return await encode(keepFrames(await decode(task, width, height), task.keepEvery));
}

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
  return await sharp(data, { raw })
    .gif({ ...encoding, delay: [...delaysMs], loop })
    .toBuffer();
}
