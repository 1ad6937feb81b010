import { open } from 'node:fs/promises';
import { type Box, boxesIn, type ReadBytes } from './mp4-metadata.ts';

/**
 * How long an MP4 or MOV says that it lasts, whatever its tracks say: the number that X judges it by
 * (ISO/IEC 14496-12, 8.2.2). 0 where it says nothing, as fragmented files do.
 */
export async function statedDurationMs(file: string): Promise<number> {
  await using handle = await open(file);
  const read: ReadBytes = async (offset, length) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const { size } = await handle.stat();
  const movie = await findBox(read, 'moov', 0, size);
  const header = movie && (await findBox(read, 'mvhd', movie.offset + movie.headerBytes, movie.end));
  return header ? durationIn(await read(header.offset + header.headerBytes, 32)) : 0;
}

async function findBox(read: ReadBytes, type: string, start: number, end: number): Promise<Box | null> {
  for await (const box of boxesIn(read, start, end)) if (box.type === type) return box;
  return null;
}

function durationIn(header: Buffer): number {
  const isWide = header[0] === 1;
  if (header.length < (isWide ? 32 : 20)) return 0;
  const scale = header.readUInt32BE(isWide ? 20 : 12);
  const duration = isWide ? Number(header.readBigUInt64BE(24)) : header.readUInt32BE(16);
  // All ones: unknown.
  const isKnown = scale > 0 && duration < (isWide ? 2 ** 64 : 2 ** 32 - 1);
  return isKnown ? Math.round((duration / scale) * 1000) : 0;
}
