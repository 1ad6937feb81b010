import type { Redis } from 'ioredis';
import { refreshTokenSeconds } from './grants.ts';
import { reach } from './reach.ts';
import { hashOf } from './secrets.ts';

/** The documents of clients that hold tokens of ours: they go on where the host of their document is away for a while. */
export interface KnownDocuments {
  /** The client of this document has just been given tokens: it is known for as long as those can be refreshed. */
  keep(url: string): Promise<void>;
  has(url: string): Promise<boolean>;
  /** This is what it says now; empty: it is not there any more. Nothing is kept for clients that are not known. */
  renew(url: string, body: Buffer): Promise<void>;
  /** What it said last; null where it is not known, or has not been read since. */
  last(url: string): Promise<string | null>;
}

export function createKnownDocuments(redis: Redis): KnownDocuments {
  const keyOf = (url: string) => `client-document:${hashOf(url)}`;
  return {
    keep: (url) =>
      reach(async () => {
        await redis
          .multi()
          .set(keyOf(url), '', 'EX', refreshTokenSeconds, 'NX')
          .expire(keyOf(url), refreshTokenSeconds)
          .exec();
      }),
    has: (url) => reach(async () => (await redis.exists(keyOf(url))) === 1),
    renew: (url, body) => reach(async () => void (await redis.set(keyOf(url), body, 'KEEPTTL', 'XX'))),
    last: (url) => reach(async () => (await redis.get(keyOf(url))) || null),
  };
}
