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

/** Decoded and encoded first, to see what the rest will cost. */
const sampledFrames = 8;
/** What noise takes, which takes longest: a machine that is half as fast still has the other half of the time. */
const worstMsPerPixel = 0.00015;
/** Of the processor time that there is: what is left is for a second try, and for a guess that was too low. */
const firstShare = 0.5;
/** Smaller than this it is not worth having: the processor time decides then. */
const leastScale = 0.4;
const mostHeldPixels = 50_000_000;

// More effort takes five times as long for a few percent. Dithering is noise to the next compression: without it the
// bytes are a third fewer and the time is a third shorter.
const encoding = { effort: 1, dither: 0 } as const;

/** Makes a smaller GIF of an animation; the size is reduced further, up to three times, until the bytes fit. */
export async function renderGif(task: GifRenderTask, cpuMs = usedCpuMs): Promise<RenderedGif> {
  let { width, height } = await affordableSize(task, cpuMs);
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const gif = await render(task, width, height);
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

/** A first stretch tells what all of it will cost: a GIF of noise takes many times what a drawing takes. */
async function affordableSize(task: GifRenderTask, cpuMs: () => number) {
  const { width, height, frames, keepEvery, maxCpuMs } = task;
  const sampled = sampledFrames * keepEvery;
  const isCheap = width * height * frames * worstMsPerPixel <= maxCpuMs * firstShare;
  if (isCheap || frames < 3 * sampled) return { width, height };
  const before = cpuMs();
  await render({ ...task, frames: sampled }, width, height);
  const expectedMs = (cpuMs() - before) * (frames / sampled);
  const factor = Math.max(leastScale, Math.min(1, Math.sqrt((maxCpuMs * firstShare) / expectedMs)));
  return {
    width: Math.max(1, Math.floor(width * factor)),
    height: Math.max(1, Math.floor(height * factor)),
  };
}

function usedCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function render(task: GifRenderTask, width: number, height: number): Promise<Buffer> {
  return task.keepEvery === 1 ? await scale(task, width, height) : await thinOut(task, width, height);
}

/** From decoder to encoder frame by frame: large ones are never in memory together, and the palette is used again. */
async function scale(task: GifRenderTask, width: number, height: number): Promise<Buffer> {
  return await openImage({ ...task, pages: task.frames })
    .resize({ width, height, fit: 'fill' })
    .gif(encoding)
    .toBuffer();
}

async function thinOut(task: GifRenderTask, width: number, height: number): Promise<Buffer> {
  const { delay = [], loop = 0 } = await openImage({ ...task, pages: task.frames }).metadata();
  const { keepEvery, frames } = task;
  const kept: Buffer[] = [];
  let channels: 3 | 4 = 3;
  // However many small frames there are, so many pixels at most are in memory at once.
  const perTurn = keepEvery * Math.max(1, Math.floor(mostHeldPixels / (width * height * keepEvery)));
  for (let page = 0; page < frames; page += perTurn) {
    const decoded = await decode(task, { width, height, page, pages: Math.min(perTurn, frames - page) });
    channels = decoded.channels;
    kept.push(...keepFrames(decoded.data, width * height * channels, keepEvery));
  }
  const delaysMs = Array.from({ length: kept.length }, (_, index) =>
    // The one before is shown for the time of those that are left out, too.
    Array.from(
      { length: Math.min(keepEvery, frames - index * keepEvery) },
      (_, offset) => index * keepEvery + offset,
    )
      .map((frame) => delay[frame] ?? delay.at(-1) ?? 100)
      .reduce((sum, delayMs) => sum + delayMs, 0),
  );
  return await encode({ data: Buffer.concat(kept), width, height, channels, delaysMs, loop });
}

async function decode(
  task: GifRenderTask,
  { width, height, page, pages }: { width: number; height: number; page: number; pages: number },
): Promise<{ data: Buffer; channels: 3 | 4 }> {
  const { data, info } = await openImage({ ...task, page, pages })
    .resize({ width, height, fit: 'fill' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 && info.channels !== 4) throw new Error(`${info.channels} channels`);
  return { data, channels: info.channels };
}

/** Copies, so that the others' memory comes free. */
function keepFrames(data: Buffer, frameBytes: number, keepEvery: number): Buffer[] {
  const kept: Buffer[] = [];
  for (let at = 0; at < data.length; at += keepEvery * frameBytes)
    kept.push(Buffer.from(data.subarray(at, at + frameBytes)));
  return kept;
}

async function encode({ data, width, height, channels, delaysMs, loop }: Animation): Promise<Buffer> {
  const raw = { width, height: height * delaysMs.length, channels, pageHeight: height };
  return await sharp(data, { raw })
    .gif({ ...encoding, delay: [...delaysMs], loop })
    .toBuffer();
}
