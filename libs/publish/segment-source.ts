import { type FileHandle, open } from 'node:fs/promises';
import type { Block, BlockPool, Lease } from '#libs/media/blocks.ts';
import type { Arrivals } from '#libs/media/save-body.ts';
import { ProblemError } from '#libs/problem/problem.ts';

/** Where the segments of an upload come from. */
export interface SegmentSource extends AsyncDisposable {
  /** The bytes from `start` to before `end`, at most a block; waits until they are here and there is memory for them. */
  read(start: number, end: number, signal: AbortSignal): Promise<Lease>;
}

/** The segments of a file that is complete, or as far as it is. */
export function createFileSource(path: string, blocks: BlockPool): SegmentSource {
  let opening: Promise<FileHandle> | null = null;
  return {
    async read(start, end, signal) {
      const lease = await blocks.send(signal);
      try {
        opening ??= open(path);
        const bytes = lease.bytes.subarray(0, end - start);
        await readWhole(await opening, bytes, start);
        return { ...lease, bytes };
      } catch (error) {
        lease[Symbol.dispose]();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await (await opening?.catch(() => null))?.close();
    },
  };
}

async function readWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let read = 0; read < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, position + read);
    if (bytesRead === 0)
      throw new ProblemError('storage_full', 'The media changed on this server while it was being uploaded.');
    read += bytesRead;
  }
}

interface Waiting {
  readonly start: number;
  readonly end: number;
  /** With the bytes, or null: they are in the file. */
  readonly resolve: (lease: Lease | null) => void;
}

/** The segments of a file that is still coming in: out of memory when they are asked for as they come, else from the file. */
export function createArrivingSource(
  path: string,
  blocks: BlockPool,
): SegmentSource & Pick<Arrivals, 'came' | 'written'> {
  const file = createFileSource(path, blocks);
  let inFile = 0;
  /** Only those who still wait: nobody else would give back what is lent. */
  const waiting = new Set<Waiting>();

  function arrival(start: number, end: number, signal: AbortSignal): Promise<Lease | null> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Lease | null>();
    const entry: Waiting = { start, end, resolve };
    const giveUp = () => {
      waiting.delete(entry);
      reject(signal.reason);
    };
    waiting.add(entry);
    signal.addEventListener('abort', giveUp, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  function answer(entry: Waiting, lease: Lease | null): void {
    waiting.delete(entry);
    entry.resolve(lease);
  }

  return {
    came(block: Block, position: number, length: number) {
      for (const entry of waiting) {
        const { start, end } = entry;
        if (start < position || end > position + length) continue;
        const lease = block.lend(start - position, end - position);
        if (lease) answer(entry, lease);
      }
    },
    written(end: number) {
      inFile = end;
      for (const entry of waiting) if (entry.end <= inFile) answer(entry, null);
    },
    async read(start, end, signal) {
      const lease = end <= inFile ? null : await arrival(start, end, signal);
      return lease ?? (await file.read(start, end, signal));
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
