import { type FileHandle, open } from 'node:fs/promises';

/** Real files have a dozen, and one for every few kB of the picture. */
const mostChunks = 20_000;
/** Of EXIF: the tags that are asked for stand at its beginning. */
const mostExifBytes = 64 * 1024;
const orientationTag = 0x112;

interface Chunk {
  readonly type: string;
  readonly start: number;
  readonly bytes: number;
}

/** PNG, third edition, 11.3.6: whether an animation is announced before the first picture. */
export async function hasAnimationChunk(file: string): Promise<boolean> {
  await using handle = await open(file);
  for await (const { type } of chunksIn(handle)) {
    if (type === 'IDAT') return false;
    if (type === 'acTL') return true;
  }
  return false;
}

/**
 * The EXIF orientation that stands behind the picture, as PNG allows it (third edition, 5.6): there the decoder does
 * not look. 1, upright, where there is none; what stands before the picture is the decoder's.
 */
export async function orientationBehind(file: string): Promise<number> {
  await using handle = await open(file);
  let isBehind = false;
  for await (const { type, start, bytes } of chunksIn(handle)) {
    isBehind ||= type === 'IDAT';
    if (type !== 'eXIf') continue;
    if (!isBehind) return 1;
    const length = Math.min(bytes, mostExifBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
    return orientationIn(buffer.subarray(0, bytesRead));
  }
  return 1;
}

async function* chunksIn(handle: FileHandle): AsyncGenerator<Chunk> {
  const header = Buffer.alloc(8);
  for (let at = 8, count = 0; count < mostChunks; count += 1) {
    const { bytesRead } = await handle.read(header, 0, 8, at);
    if (bytesRead < 8) return;
    const bytes = header.readUInt32BE(0);
    const type = header.toString('latin1', 4, 8);
    yield { type, start: at + 8, bytes };
    if (type === 'IEND') return;
    at += 12 + bytes;
  }
}

/** EXIF 2.3, 4.6.2: byte order, where the first list of tags is, and twelve bytes for each tag. */
function orientationIn(exif: Buffer): number {
  const isLittle = exif.toString('latin1', 0, 2) === 'II';
  const short = (at: number) => {
    if (at + 2 > exif.length) return 0;
    return isLittle ? exif.readUInt16LE(at) : exif.readUInt16BE(at);
  };
  if (exif.length < 8) return 1;
  const list = isLittle ? exif.readUInt32LE(4) : exif.readUInt32BE(4);
  for (let entry = 0; entry < short(list); entry += 1) {
    const at = list + 2 + entry * 12;
    if (short(at) !== orientationTag) continue;
    const orientation = short(at + 8);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}
