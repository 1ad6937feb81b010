import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { prepareScript } from '#libs/redis/script.ts';

/** Posts of one account whose media is in work at a time. */
const mostJobs = 2;
/** Media items of one account in work at a time: those of one post side by side, and half of a worker for others. */
const mostItems = 4;

/**
 * What a place is for: all the work on an item, or only to fetch its bytes. Who wants to fetch, because the link ends
 * soon, goes before all others, is not held up by posts in work, and finds a place in any case while no other file of
 * the account is being fetched.
 */
export type Purpose = 'work' | 'fetch';

/** A media item that wants to be worked on, by one run of a worker. */
export interface PlaceRequest {
  readonly accountId: string;
  readonly jobId: string;
  readonly index: number;
  readonly owner: string;
  /** Places are given in the order of acceptance. */
  readonly sequence: number;
}

/** Places for media in work, per account and for all workers together. */
export interface AccountPlaces {
  /**
   * Takes a place, or the one that the item has already; else says in how many ms to ask again if nobody calls. Who
   * wants to fetch may get a place to work. Who has one to fetch and gets none to work keeps it until it leaves.
   */
  take(
    request: PlaceRequest,
    purpose?: Purpose,
  ): Promise<
    { readonly taken: true; readonly purpose: Purpose } | { readonly taken: false; askAfterMs: number }
  >;
  /** Keeps the place for another lease. */
  renew(request: PlaceRequest, purpose?: Purpose): Promise<void>;
  /** Gives the place back; resolves to the items that wait and may come in now. */
  leave(request: PlaceRequest): Promise<readonly { readonly jobId: string; readonly index: number }[]>;
  /** How long a place is held without being renewed. */
  readonly leaseMs: number;
}

/** Creates the places; `leaseMs` is how long that of a dead worker stays taken. */
export function createAccountPlaces({ redis, leaseMs }: { redis: Redis; leaseMs: number }): AccountPlaces {
  const lua = readFileSync(join(import.meta.dirname, 'scripts', 'place.lua'), 'utf8');
  // At maxmemory too: what is in work has to come to its end.
  const script = prepareScript(redis, `#!lua flags=allow-oom\n${lua}`);
  const ask = (mode: 'take' | 'renew' | 'leave', request: PlaceRequest, purpose: Purpose = 'work') =>
    script(
      [`places:${request.accountId}`, `places:${request.accountId}:waiting`],
      [
        mode,
        `${request.jobId}:${request.index}`,
        request.owner,
        leaseMs,
        mostJobs,
        mostItems,
        request.sequence,
        purpose,
      ],
    );
  return {
    leaseMs,
    async take(request, purpose) {
      const [taken, askAfterMs] = (await ask('take', request, purpose)) as [number, number];
      return taken === 0
        ? { taken: false, askAfterMs }
        : { taken: true, purpose: taken === 1 ? 'work' : 'fetch' };
    },
    async renew(request, purpose) {
      await ask('renew', request, purpose);
    },
    async leave(request) {
      const items = (await ask('leave', request)) as string[];
      return items.map((item) => {
        const at = item.lastIndexOf(':');
        return { jobId: item.slice(0, at), index: Number(item.slice(at + 1)) };
      });
    },
  };
}
