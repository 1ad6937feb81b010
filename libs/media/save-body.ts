import { ProblemError } from '#libs/problem/problem.ts';
import { type Block, type BlockPool, blockBytes } from './blocks.ts';
import type { FileWriter, WritingFile } from './file-writer.ts';

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

/** Follows a file while it comes in, block by block of `blockBytes`, the last one shorter. */
export interface Arrivals {
  /** From here on the file comes from its start; again when a download begins anew. */
  began(totalBytes: number | null): void;
  /** These bytes are here, `length` of them from `position` on, and may be lent now; they are not in the file yet. */
  came(block: Block, position: number, length: number): void;
  /** Everything before `end` is in the file. */
  written(end: number): void;
}

interface Saving {
  readonly destination: Destination;
  readonly blocks: BlockPool;
  readonly writer: FileWriter;
  /** Told of the bytes of each piece, once nobody needs it any more. */
  readonly collect: (bytes: number) => void;
  readonly signal: AbortSignal;
  readonly arrivals: Arrivals | undefined;
  /** Hears how many bytes have come. */
  readonly onPiece: (bytes: number) => void;
}

const roomStepBytes = 8 * 1024 * 1024;
/** How far the network may be ahead of the disk. */
const mostUnwritten = 1;

/** Writes a body to the destination's file from its start and hashes it on the way. Rejects with `storage_full` when the disk is. */
export async function saveBody(
  body: AsyncIterable<Uint8Array>,
  totalBytes: number | null,
  saving: Saving,
): Promise<{ sha256: string; bytes: number }> {
  const { destination, blocks, collect, signal, arrivals, onPiece } = saving;
  try {
    await admit(destination, totalBytes ?? 0);
    await using file = await saving.writer.open(destination.file);
    arrivals?.began(totalBytes);
    await using queue = createWriteQueue(file, saving);
    let bytes = 0;
    for await (const piece of body) {
      for (let taken = 0; taken < piece.length; ) {
        queue.filling ??= await blocks.receive(signal);
        const part = piece.subarray(taken, taken + blockBytes - queue.filled);
        queue.filling.bytes.set(part, queue.filled);
        taken += part.length;
        queue.filled += part.length;
        if (queue.filled === blockBytes) await queue.flush();
      }
      bytes += piece.length;
      collect(piece.length);
      onPiece(bytes);
    }
    await queue.flush();
    await queue.drained();
    return { sha256: await file.finish(), bytes };
  } catch (error) {
    throw asStorageProblem(error);
  }
}

/** The block that is being filled, and those on their way to the disk. */
function createWriteQueue(file: WritingFile, { destination, arrivals }: Saving) {
  let position = 0;
  let unwritten: Promise<unknown>[] = [];
  async function write(block: Block, length: number, end: number): Promise<void> {
    using held = block;
    await file.write(held.bytes.subarray(0, length));
    if (end > destination.usedBytes) {
      destination.room?.wrote(end - destination.usedBytes);
      destination.usedBytes = end;
    }
    arrivals?.written(end);
  }
  const queue = {
    filling: null as Block | null,
    filled: 0,
    async flush(): Promise<void> {
      const { filling: block, filled } = queue;
      if (!block || filled === 0) return;
      await admit(destination, position + filled);
      arrivals?.came(block, position, filled);
      [queue.filling, queue.filled] = [null, 0];
      position += filled;
      const writing = write(block, filled, position);
      // Whoever waits for it hears of its failure; nobody else has to.
      writing.catch(() => {});
      unwritten.push(writing);
      if (unwritten.length > mostUnwritten) await unwritten.shift();
    },
    async drained(): Promise<void> {
      await Promise.all(unwritten);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      queue.filling?.[Symbol.dispose]();
      await Promise.allSettled(unwritten);
      unwritten = [];
    },
  };
  return queue;
}

async function admit(destination: Destination, bytes: number): Promise<void> {
  if (bytes <= destination.admittedBytes) return;
  const wanted = Math.max(bytes, destination.usedBytes + (destination.usedBytes > 0 ? roomStepBytes : 0));
  await destination.room?.grow(wanted - destination.admittedBytes);
  destination.admittedBytes = wanted;
}

/** A full disk as the problem that makes a job wait; any other error as it is. */
export function asStorageProblem(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new ProblemError('storage_full', 'This server has no room left for media. Try again later.', {
    cause: error,
  });
}
