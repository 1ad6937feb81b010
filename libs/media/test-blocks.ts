import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlockPool } from './blocks.ts';

/** More than any pool of a test has. */
const plenty = 64;

/** How many blocks of a pool nobody holds: what is free is given at once, and whoever else asks waits in line. */
export async function countFree(blocks: BlockPool): Promise<{ receiving: number; sending: number }> {
  return { receiving: await count(blocks.receive), sending: await count(blocks.send) };
}

async function count(take: (signal: AbortSignal) => Promise<Disposable>): Promise<number> {
  const stop = new AbortController();
  const asked = Array.from({ length: plenty }, () => take(stop.signal));
  await nextTurn();
  stop.abort(new Error('nobody wants it'));
  const given = (await Promise.allSettled(asked)).filter((one) => one.status === 'fulfilled');
  for (const { value } of given) value[Symbol.dispose]();
  return given.length;
}
