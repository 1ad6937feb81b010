import { readFile, stat } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { DamagedMediaError, TooManyPixelsError } from './decode-errors.ts';
import type { ImageFormat } from './detect-format.ts';
import { type GifHeader, readGif } from './gif.ts';
import { pictureStretches } from './image-structure.ts';
import type { ImageHeader, InspectGifTask, InspectTask, VerifyTask } from './image-task.ts';
import { hasAnimationChunk, orientationBehind } from './png-chunks.ts';

interface Source {
  readonly file: string;
  readonly maxPixels: number;
  /** Frames to read, from `page` on; the first one unless given. */
  readonly pages?: number;
  readonly page?: number;
}

const loaders: Readonly<Record<ImageFormat | 'gif', string>> = {
  jpeg: 'VipsForeignLoadJpegFile',
  png: 'VipsForeignLoadPngFile',
  webp: 'VipsForeignLoadWebpFile',
  gif: 'VipsForeignLoadNsgifFile',
  avif: 'VipsForeignLoadHeifFile',
};

/** Opens the decoder of one format of libvips and shuts the others: no file reaches another one by what it looks like inside. */
export function useLoader(format: ImageFormat | 'gif'): void {
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: [loaders[format]] });
}

/** A pipeline over a file; warnings are errors, so that a truncated file is refused and not posted grey. */
export function openImage({ file, maxPixels, page = 0, pages = 1 }: Source): Sharp {
  return sharp(file, { failOn: 'warning', limitInputPixels: maxPixels, sequentialRead: true, page, pages });
}

/** Reads the header of an image and, of a file that may stay as it is, what it is made of. */
export async function inspectImage(task: InspectTask): Promise<ImageHeader> {
  const header = await openImage(task).metadata();
  if (header.format !== (task.format === 'avif' ? 'heif' : task.format))
    throw new DamagedMediaError(`Is ${header.format}`);
  if (task.format === 'avif' && header.compression !== 'av1') throw new DamagedMediaError('Is no AV1');
  if (header.width * header.height > task.maxPixels) throw new TooManyPixelsError('Picture');
  const { size: bytes } = await stat(task.file);
  const isRead = task.format !== 'gif' && bytes <= task.maxStructureBytes;
  const stretches = isRead ? pictureStretches(task.format, await readFile(task.file)) : null;
  const isAnimatedPng = task.format === 'png' && (await hasAnimationChunk(task.file));
  const orientation = header.orientation ?? (await unseenOrientation(task, header));
  return { ...toHeader(header, orientation), isAnimatedPng, bytes, stretches };
}

/** The orientation of a picture that its decoder does not see; 1 where it sees one, or there is none. */
export async function unseenOrientation(
  { file, format }: Pick<InspectTask, 'file' | 'format'>,
  header: Metadata,
): Promise<number> {
  return format === 'png' && header.orientation === undefined ? await orientationBehind(file) : 1;
}

/** Reads the structure of a GIF, and its header as libvips sees it: who disagrees is up to something. */
export async function inspectGif(task: InspectGifTask): Promise<{ gif: GifHeader; image: ImageHeader }> {
  const gif = await readGif(task.file);
  // libvips takes a screen that is too large for it as 1×1.
  if (gif.width * gif.height > task.maxPixels) throw new TooManyPixelsError('GIF');
  const seen = await inspectImage({ ...task, act: 'inspect', maxStructureBytes: 0 });
  if (seen.width !== gif.width || seen.height !== gif.height || seen.frames !== gif.frames)
    throw new DamagedMediaError(`GIF: seen as ${seen.width}×${seen.height}×${seen.frames}`);
  return { gif, image: { ...seen, stretches: gif.stretches } };
}

function toHeader(
  header: Metadata,
  orientation: number,
): Omit<ImageHeader, 'isAnimatedPng' | 'bytes' | 'stretches'> {
  // From 5 on it lies on its side.
  const [width, height] = orientation < 5 ? [header.width, header.height] : [header.height, header.width];
  return {
    width,
    height,
    orientation,
    hasAlpha: header.hasAlpha,
    isPlainColour: header.depth === 'uchar' && (header.space === 'srgb' || header.space === 'b-w'),
    profile: profileOf(header),
    frames: header.pages ?? 1,
  };
}

/** Decodes everything and throws the pixels away. */
export async function verifyImage(task: VerifyTask): Promise<Record<string, never>> {
  const image = openImage(task);
  // Scaled while it is decoded, a JPEG or WebP hides damage; an animation in full size would not fit into memory.
  const small =
    task.format === 'gif' ? image.resize({ width: 8, height: 8, fit: 'inside' }) : image.greyscale();
  await small.raw().toBuffer();
  return {};
}

/** ICC.1: the description tag names the space, in Latin-1 or in UTF-16. */
function profileOf({ icc }: Metadata): ImageHeader['profile'] {
  if (!icc) return 'none';
  return icc.toString('latin1').replaceAll('\0', '').includes('sRGB') ? 'srgb' : 'other';
}
