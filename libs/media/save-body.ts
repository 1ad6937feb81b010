import { ProblemError } from '#libs/problem/problem.ts';
import { type Block, type BlockPool, blockBytes } from './blocks.ts';
import type { FileWriter, WritingFile } from './file-writer.ts';
import type { Sink } from './sink.ts';

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
  readonly signal: AbortSignal;
  readonly arrivals: Arrivals | undefined;
  /** Hears how many bytes have come. */
  readonly onPiece: (bytes: number) => void;
}

const roomStepBytes = 8 * 1024 * 1024;
/** How far the network may be ahead of the disk. */
const mostUnwritten = 1;

/**
 * Writes a body, which `bring` brings, to the destination's file from its start and hashes it on the way. Rejects with
 * `storage_full` when the disk is.
 */
export async function saveBody(
  totalBytes: number | null,
  saving: Saving,
  bring: (sink: Sink) => Promise<void>,
): Promise<{ sha256: string; bytes: number }> {
  const { destination, arrivals } = saving;
  try {
    await admit(destination, totalBytes ?? 0);
    await using file = await saving.writer.open(destination.file);
    arrivals?.began(totalBytes);
    await using blocks = createBlockSink(file, saving);
    await bring(blocks);
    return { sha256: await file.finish(), bytes: blocks.bytes };
  } catch (error) {
    throw asStorageProblem(error);
  }
}

/** Fills block after block, and has the full ones written while the next is filled. */
function createBlockSink(
  file: WritingFile,
  { destination, arrivals, blocks, signal, onPiece }: Saving,
): Sink & AsyncDisposable & { readonly bytes: number } {
  let bytes = 0;
  let block: Block | null = null;
  let filled = 0;
  let unwritten: Promise<unknown>[] = [];

  async function write(full: Block, length: number, end: number): Promise<void> {
    using held = full;
    await file.write(held.bytes.subarray(0, length));
    if (end > destination.usedBytes) {
      destination.room?.wrote(end - destination.usedBytes);
      destination.usedBytes = end;
    }
    arrivals?.written(end);
  }
  async function flush(): Promise<void> {
    const [full, length, end] = [block, filled, bytes];
    if (!full || length === 0) return;
    await admit(destination, end);
    arrivals?.came(full, end - length, length);
    [block, filled] = [null, 0];
    const writing = write(full, length, end);
    // Whoever waits for it hears of its failure; nobody else has to.
    writing.catch(() => {});
    unwritten.push(writing);
    if (unwritten.length > mostUnwritten) await unwritten.shift();
  }
  function fill(target: Block, part: Uint8Array): void {
    target.bytes.set(part, filled);
    filled += part.length;
    bytes += part.length;
  }
  async function takeInParts(piece: Uint8Array): Promise<void> {
    for (let taken = 0; taken < piece.length; ) {
      block ??= await blocks.receive(signal);
      const part = piece.subarray(taken, taken + blockBytes - filled);
      fill(block, part);
      taken += part.length;
      if (filled === blockBytes) await flush();
    }
    onPiece(bytes);
  }
  return {
    get bytes() {
      return bytes;
    },
    write(piece) {
      if (!block || filled + piece.length >= blockBytes) return takeInParts(piece);
      fill(block, piece);
      onPiece(bytes);
    },
    async end() {
      await flush();
      await Promise.all(unwritten);
    },
    async [Symbol.asyncDispose]() {
      block?.[Symbol.dispose]();
      await Promise.allSettled(unwritten);
      unwritten = [];
    },
  };
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
