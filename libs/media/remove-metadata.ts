import { open } from 'node:fs/promises';
import { type Blank, findMetadata } from './mp4-metadata.ts';
import { asStorageProblem } from './save-body.ts';

const zeros = Buffer.alloc(64 * 1024);

/**
 * Blanks the metadata of an MP4 or MOV where it stands: the file keeps its length, and everything else its place.
 * Resolves to whether there was any.
 * @throws {ProblemError} storage_full
 */
export async function removeMetadata(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'r+');
    const { size } = await handle.stat();
    const read = async (offset: number, length: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const blanks = await findMetadata(read, 0, size);
    for (const blank of blanks) await blankOut(handle, blank);
    return blanks.length > 0;
  } catch (error) {
    throw asStorageProblem(error);
  }
}

/** The name goes last: after a crash in between the box is found again. */
async function blankOut(
  handle: { write(bytes: Buffer, offset: number, length: number, position: number): Promise<unknown> },
  { from, end, nameAt }: Blank,
): Promise<void> {
  for (let at = from; at < end; at += zeros.length)
    await handle.write(zeros, 0, Math.min(zeros.length, end - at), at);
  if (nameAt !== null) await handle.write(Buffer.from('free'), 0, 4, nameAt);
}
