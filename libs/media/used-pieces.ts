import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Less would be collected too often: each time takes about a millisecond. */
const everyBytes = 4 * 1024 * 1024;

let pendingBytes = 0;
let collect: NonNullable<typeof globalThis.gc> | null = null;

/**
 * Gives the memory of a piece of the network back, which nobody looks at any more. Each comes in a buffer of its own, and
 * V8 lets tens of megabytes of used ones pile up before it looks at them. Given back at once, the next one comes in the
 * same memory, which the processor still has at hand. Only a piece that is all of its buffer is given back: it shares that
 * with nobody. What is a part of something larger (of a pool, of a chunked body with its lengths, RFC 9112, 7.1) is left to
 * the collector, which is asked now and then.
 */
export function giveBack({ buffer, length }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) return void buffer.transfer(0);
  pendingBytes += length;
  if (pendingBytes < everyBytes) return;
  pendingBytes = 0;
  collect ??= exposeCollector();
  collect({ type: 'minor' });
}

/** The engine's own collector, which Node.js shows to contexts made after this flag was set. */
function exposeCollector(): NonNullable<typeof globalThis.gc> {
  setFlagsFromString('--expose-gc');
  const exposed = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return exposed;
}
