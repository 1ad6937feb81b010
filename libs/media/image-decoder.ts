import sharp, { type Metadata, type Sharp } from 'sharp';
import type { ImageFormat } from './detect-format.ts';
import type { ImageHeader, InspectTask, VerifyTask } from './image-task.ts';

/** The file is not what its first bytes say, or says different things about itself. */
export class DamagedMediaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DamagedMediaError';
  }
}

/** No quality and no size makes the picture fit. */
export class DoesNotFitError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DoesNotFitError';
  }
}

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

/** Shuts every decoder of libvips; `useLoader` opens the one that a file needs. */
export function lockDecoders(): void {
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ['VipsForeignLoad'] });
}

/** Opens the decoder of one format and shuts the others: no file reaches another one by what it looks like inside. */
export function useLoader(format: ImageFormat | 'gif'): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: [loaders[format]] });
}

/** A pipeline over a file; warnings are errors, so that a truncated file is refused and not posted grey. */
export function openImage({ file, maxPixels, page = 0, pages = 1 }: Source): Sharp {
  return sharp(file, { failOn: 'warning', limitInputPixels: maxPixels, sequentialRead: true, page, pages });
}

/** Reads the header of an image. */
export async function inspectImage(task: InspectTask): Promise<ImageHeader> {
  const header = await openImage(task).metadata();
  const { width, height, orientation, pages, hasAlpha } = header;
  if (header.format !== (task.format === 'avif' ? 'heif' : task.format))
    throw new DamagedMediaError(`Is ${header.format}`);
  if (task.format === 'avif' && header.compression !== 'av1') throw new DamagedMediaError('Is no AV1');
  if (width * height > task.maxPixels) throw new DamagedMediaError('Input image exceeds pixel limit');
  return {
    width: header.autoOrient.width,
    height: header.autoOrient.height,
    orientation: orientation ?? 1,
    hasAlpha,
    isPlainColour: header.depth === 'uchar' && (header.space === 'srgb' || header.space === 'b-w'),
    profile: profileOf(header),
    frames: pages ?? 1,
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
