import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const prefix = 'sealing-keys:';
const lifeSeconds = 60;

/**
 * Tells the others, for as long as this process runs, which sealing keys it has (their ids, the one that seals
 * first): what is sealed anew with a key that a running process lacks would be lost to it.
 */
export async function announceKeys(
  redis: Redis,
  keys: readonly { readonly kid: string }[],
): Promise<AsyncDisposable> {
  const key = `${prefix}${randomUUID()}`;
  const kids = keys.map(({ kid }) => kid).join(',');
  // Best effort: whoever cannot reach Redis seals nothing there either.
  const tell = () =>
    redis.set(key, kids, 'EX', lifeSeconds).then(
      () => {},
      () => {},
    );
  await tell();
  const timer = setInterval(tell, (lifeSeconds * 1000) / 3);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      // A Redis that is away must not hold a process up: the key ends by itself.
      await Promise.race([redis.del(key).catch(() => {}), sleep(500, undefined, { ref: false })]);
    },
  };
}

/** Which keys the running processes seal with, and how many do with each. A killed one counts for another minute. */
export async function keysInUse(redis: Redis): Promise<ReadonlyMap<string, number>> {
  const inUse = new Map<string, number>();
  const keys = new Set<string>();
  for await (const found of redis.scanStream({ match: `${prefix}*`, count: 1000 }))
    for (const key of found) keys.add(key);
  for (const key of keys) {
    const [first] = ((await redis.get(key)) ?? '').split(',');
    if (first) inUse.set(first, (inUse.get(first) ?? 0) + 1);
  }
  return inUse;
}
