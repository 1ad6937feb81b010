import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Less would be collected too often: each time takes about a millisecond. */
const everyBytes = 4 * 1024 * 1024;

/**
 * Bounds the memory that a download leaves behind. Each piece of the network comes in a buffer of its own, and V8 lets
 * tens of megabytes of used ones pile up before it looks at them: half of what a download takes. Called with the bytes
 * of each piece, this has the young ones collected in between, which also costs less than collecting them late.
 */
export function createYoungCollector(): (bytes: number) => void {
  let pending = 0;
  let collect: ((options: { readonly type: 'minor' }) => void) | null = null;
  return (bytes) => {
    pending += bytes;
    if (pending < everyBytes) return;
    pending = 0;
    collect ??= exposeCollector();
    collect({ type: 'minor' });
  };
}

/** The engine's own collector, which Node.js shows to contexts made after this flag was set. */
function exposeCollector(): NonNullable<typeof globalThis.gc> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return collect;
}
