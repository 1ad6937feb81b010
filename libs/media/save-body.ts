import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { ProblemError } from '#libs/problem/problem.ts';

/** Where the room on disk comes from: asked before bytes are written, told once they are. */
export interface Room {
  /** Rejects with `storage_full` when that many bytes more do not fit. */
  grow(bytes: number): Promise<void>;
  wrote(bytes: number): void;
}

/** A download to one file: how much room it has and has used, over all its tries. */
export interface Destination {
  readonly file: string;
  readonly room: Room | undefined;
  admittedBytes: number;
  usedBytes: number;
}

const roomStepBytes = 8 * 1024 * 1024;
/** Pieces come in as the network gives them, often 64 kB: written together they cost a fraction, unless they are slow. */
const writeBytes = 1024 * 1024;
const writeAfterMs = 20;

/**
 * Writes a body to the destination's file from its start and hashes it on the way; `onPiece` hears how many bytes
 * are in the file. Rejects with `storage_full` when the disk is.
 */
export async function saveBody(
  body: AsyncIterable<Uint8Array>,
  totalBytes: number | null,
  destination: Destination,
  onPiece: (bytes: number) => void,
): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  await admit(destination, totalBytes ?? 0);
  await using file = await openToWrite(destination.file);
  let pieces: Uint8Array[] = [];
  let heldBytes = 0;
  let writtenAt = performance.now();
  const write = async () => {
    await admit(destination, bytes + heldBytes);
    await writeAll(file, pieces);
    bytes += heldBytes;
    [pieces, heldBytes, writtenAt] = [[], 0, performance.now()];
    if (bytes > destination.usedBytes) {
      destination.room?.wrote(bytes - destination.usedBytes);
      destination.usedBytes = bytes;
    }
    onPiece(bytes);
  };
  for await (const piece of body) {
    hash.update(piece);
    pieces.push(piece);
    heldBytes += piece.length;
    if (heldBytes >= writeBytes || performance.now() - writtenAt >= writeAfterMs) await write();
  }
  if (heldBytes > 0) await write();
  return { sha256: hash.digest('hex'), bytes };
}

async function admit(destination: Destination, bytes: number): Promise<void> {
  if (bytes <= destination.admittedBytes) return;
  const wanted = Math.max(bytes, destination.usedBytes + (destination.usedBytes > 0 ? roomStepBytes : 0));
  await destination.room?.grow(wanted - destination.admittedBytes);
  destination.admittedBytes = wanted;
}

async function openToWrite(file: string): Promise<FileHandle> {
  return await open(file, 'w').catch((error: unknown) => {
    throw asStorageProblem(error);
  });
}

async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  const whole = pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  try {
    for (let offset = 0; offset < whole.length; ) {
      const { bytesWritten } = await file.write(whole, offset);
      offset += bytesWritten;
    }
  } catch (error) {
    throw asStorageProblem(error);
  }
}

/** A full disk as the problem that makes a job wait; any other error as it is. */
export function asStorageProblem(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new ProblemError('storage_full', 'This server has no room left for media. Try again later.', {
    cause: error,
  });
}
