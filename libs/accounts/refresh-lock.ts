import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { unlockScript } from './scripts.ts';

/** The right to present an account's refresh token, for as long as its time limit has not passed. */
export interface RefreshLock {
  readonly key: string;
  /** Random: nobody else holds the lock with it. */
  readonly owner: string;
  release(): Promise<void>;
}

/** Longer than it takes from the marker to the outcome: 5 s to begin, 30 s to answer, 10 s to store. */
export const lockMs = 60_000;

/** Takes the refresh lock of an account, or resolves to null when another process has it. */
export async function takeRefreshLock(redis: Redis, accountId: string): Promise<RefreshLock | null> {
  const key = `lock:refresh:${accountId}`;
  const owner = randomUUID();
  const taken = await redis.set(key, owner, 'PX', lockMs, 'NX');
  // The reply to a first SET may have been lost, and ioredis then sends it again.
  if (taken !== 'OK' && (await redis.get(key)) !== owner) return null;
  return {
    key,
    owner,
    async release() {
      // Whoever cannot reach Redis now leaves the lock to its time limit.
      await redis.eval(unlockScript, 1, key, owner).catch(() => {});
    },
  };
}
