import { writeFile } from 'node:fs/promises';
import sharp, { type OutputInfo, type Sharp } from 'sharp';
import { DoesNotFitError } from './decode-errors.ts';
import { findQuality } from './find-quality.ts';
import { openImage, unseenOrientation } from './image-decoder.ts';
import type { OutputFormat, RenderedImage, RenderTask } from './image-task.ts';

/** Decoded pixels, eight bits per channel. */
interface Picture {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

const sampleBands = 16;
const bandRows = 16;
/** What is left free below the limit when sizes are guessed from a sample. */
const guessed = 0.96;
const quality = { best: 92, worst: 45 };

/** Decodes once, then searches format, quality and at last size on the raw pixels until the result fits. */
export async function renderImage(task: RenderTask): Promise<RenderedImage> {
  let picture = await decode(task);
  const formats = isOpaque(picture) ? task.formats.opaque : task.formats.transparent;
  for (let attempt = 0; attempt < 6; attempt += 1) {
    for (const format of formats) {
      const encoded = await encodeWithin(picture, format, task.maxBytes);
      if (!encoded) continue;
      await writeFile(task.output, encoded.data);
      const { width, height } = picture;
      return { format, width, height, bytes: encoded.data.length, quality: encoded.quality };
    }
    picture = await scaleDown(picture, 0.75);
  }
  throw new DoesNotFitError(`Does not fit into ${task.maxBytes} bytes`);
}

async function decode(task: RenderTask): Promise<Picture> {
  const unseen = await unseenOrientation(task, await openImage(task).metadata());
  const pipeline = turn(openImage(task).autoOrient(), unseen)
    .resize({ width: task.maxSide, height: task.maxSide, fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb');
  const decoded = toPicture(await pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }));
  return isOpaque(decoded) ? await withoutAlpha(decoded) : decoded;
}

/** What `autoOrient` does, by an orientation that the decoder did not see; a picture is mirrored before it is turned. */
function turn(image: Sharp, orientation: number): Sharp {
  const degrees = [0, 0, 0, 180, 0, 270, 90, 90, 270][orientation] ?? 0;
  const isMirrored = [2, 5, 7].includes(orientation);
  return (degrees === 0 ? image : image.rotate(degrees)).flop(isMirrored).flip(orientation === 4);
}

/** The smallest loss at which the picture fits; null when it does not fit in this format. */
async function encodeWithin(picture: Picture, format: OutputFormat, maxBytes: number) {
  const sample = takeSample(picture);
  const share = (picture.width * picture.height) / (sample.width * sample.height);
  if (format === 'png') {
    if (share > 1 && (await encode(sample, format)).length * share > maxBytes * 1.5) return null;
    const data = await encode(picture, format);
    return data.length <= maxBytes ? { data, quality: null } : null;
  }
  let correction = 1;
  for (let range = quality; ; ) {
    const estimate = async (at: number) => (await encode(sample, format, at)).length * share * correction;
    const chosen = await findQuality(estimate, maxBytes * guessed, range);
    const data = await encode(picture, format, chosen);
    if (data.length <= maxBytes) return { data, quality: chosen };
    if (chosen <= range.worst) return null;
    correction *= data.length / Math.max(1, await estimate(chosen));
    range = { best: Math.max(quality.worst, chosen - 1), worst: quality.worst };
  }
}

async function encode(picture: Picture, format: OutputFormat, at = 100): Promise<Buffer> {
  const { width, height, channels } = picture;
  const image = sharp(picture.data, { raw: { width, height, channels } });
  if (format === 'png') return await image.png({ compressionLevel: 7 }).toBuffer();
  if (format === 'webp') return await image.webp({ quality: at, effort: 3 }).toBuffer();
  return await image.jpeg({ quality: at }).toBuffer();
}

/** Bands of rows spread over the picture: what they cost at a quality tells what the whole costs. */
function takeSample(picture: Picture): Picture {
  const rows = sampleBands * bandRows;
  if (picture.height < rows * 4) return picture;
  const rowBytes = picture.width * picture.channels;
  const bands = Array.from({ length: sampleBands }, (_, band) => {
    const top = Math.floor(((picture.height - bandRows) * (band + 0.5)) / sampleBands);
    return picture.data.subarray(top * rowBytes, (top + bandRows) * rowBytes);
  });
  return { ...picture, data: Buffer.concat(bands), height: rows };
}

async function scaleDown(picture: Picture, factor: number): Promise<Picture> {
  const width = Math.max(1, Math.round(picture.width * factor));
  const height = Math.max(1, Math.round(picture.height * factor));
  return await reshape(picture, (image) => image.resize({ width, height, fit: 'fill' }));
}

async function withoutAlpha(picture: Picture): Promise<Picture> {
  return picture.channels === 4 || picture.channels === 2
    ? await reshape(picture, (image) => image.removeAlpha())
    : picture;
}

async function reshape({ data, ...raw }: Picture, change: (image: Sharp) => Sharp): Promise<Picture> {
  return toPicture(await change(sharp(data, { raw })).raw().toBuffer({ resolveWithObject: true }));
}

function isOpaque({ data, channels }: Picture): boolean {
  if (channels === 1 || channels === 3) return true;
  for (let index = channels - 1; index < data.length; index += channels)
    if (data[index] !== 255) return false;
  return true;
}

function toPicture({ data, info }: { data: Buffer; info: OutputInfo }): Picture {
  const { width, height, channels } = info;
  if (channels < 1 || channels > 4) throw new Error(`${channels} channels`);
  return { data, width, height, channels };
}
