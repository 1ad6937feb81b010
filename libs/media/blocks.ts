import { createSlots } from './slots.ts';

/** One block of media: what is written, hashed and sent at once; no segment of an upload is larger. */
export const blockBytes = 4 * 1024 * 1024;

/** More than there are downloads at a time, so that a slow one, with its block half full, keeps no other waiting. */
const mostReceiving = 20;
/** What may be on its way to X. */
const mostSending = 10;
const keptIdleMs = 5000;

/** Memory that somebody may use until it is disposed of. */
export interface Lease extends Disposable {
  readonly bytes: Uint8Array;
}

/** A block of what comes in. */
export interface Block extends Lease {
  /** Lends a part of it to be sent, which may outlive the block; null when as much as may is on its way already. */
  lend(start: number, end: number): Lease | null;
}

/** The memory of all media on its way through this process: bounded, however many files there are and however large. */
export interface BlockPool {
  /** Waits for a block for bytes that come in. Rejects with the signal's reason when that fires first. */
  receive(signal?: AbortSignal): Promise<Block>;
  /** Waits for memory for bytes that go out. Rejects with the signal's reason when that fires first. */
  send(signal?: AbortSignal): Promise<Lease>;
}

/** Creates a pool. Its memory is shared between threads, and kept for a moment after its last use. */
export function createBlockPool({ receiving = mostReceiving, sending = mostSending } = {}): BlockPool {
  const receivers = createSlots(receiving);
  const senders = createSlots(sending);
  // Used again and again: new memory has to be cleared by the system, page by page.
  let free: Uint8Array[] = [];
  let forgetting: NodeJS.Timeout | undefined;

  function take(): { readonly bytes: Uint8Array; hold(): void; release(): void } {
    const bytes = free.pop() ?? new Uint8Array(new SharedArrayBuffer(blockBytes));
    let holders = 1;
    return {
      bytes,
      hold: () => {
        holders += 1;
      },
      release() {
        holders -= 1;
        if (holders > 0) return;
        free.push(bytes);
        clearTimeout(forgetting);
        forgetting = setTimeout(() => (free = []), keptIdleMs).unref();
      },
    };
  }
  /** Where the system has no memory to give, the place is free again. */
  function takeFor(slot: Disposable): ReturnType<typeof take> {
    try {
      return take();
    } catch (error) {
      slot[Symbol.dispose]();
      throw error;
    }
  }
  const lease = (bytes: Uint8Array, slot: Disposable, release: () => void): Lease => {
    let isHeld = true;
    return {
      bytes,
      [Symbol.dispose]() {
        if (!isHeld) return;
        isHeld = false;
        release();
        slot[Symbol.dispose]();
      },
    };
  };

  return {
    async receive(signal) {
      const slot = await receivers.take(signal);
      const memory = takeFor(slot);
      return {
        ...lease(memory.bytes, slot, memory.release),
        lend(start, end) {
          const place = senders.takeNow();
          if (!place) return null;
          memory.hold();
          return lease(memory.bytes.subarray(start, end), place, memory.release);
        },
      };
    },
    async send(signal) {
      const slot = await senders.take(signal);
      const memory = takeFor(slot);
      return lease(memory.bytes, slot, memory.release);
    },
  };
}
