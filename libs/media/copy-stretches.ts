import { open } from 'node:fs/promises';
import { asStorageProblem } from './save-body.ts';
import type { Stretch } from './stretches.ts';

const pieceBytes = 1024 * 1024;

/**
 * Writes the stretches of a file, one after the other, to another one.
 * @throws {ProblemError} storage_full
 */
export async function copyStretches(
  file: string,
  stretches: readonly Stretch[],
  output: string,
): Promise<void> {
  await using source = await open(file);
  const buffer = Buffer.alloc(pieceBytes);
  try {
    await using target = await open(output, 'w');
    for (const [start, end] of stretches)
      for (let at = start; at < end; ) {
        const { bytesRead } = await source.read(buffer, 0, Math.min(pieceBytes, end - at), at);
        if (bytesRead === 0) throw new Error(`${file} became shorter`);
        await target.writeFile(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
  } catch (error) {
    throw asStorageProblem(error);
  }
}
