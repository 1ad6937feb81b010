import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { prepareScript } from '#libs/redis/script.ts';

/** Posts of one account whose media is in work at a time. */
const mostJobs = 2;
/** Media items of one account in work at a time: those of one post side by side, and half of a worker for others. */
const mostItems = 4;

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
  /** Takes a place, or the one that the item has already; else says in how many ms to ask again if nobody calls. */
  take(
    request: PlaceRequest,
  ): Promise<{ readonly taken: true } | { readonly taken: false; askAfterMs: number }>;
  /** Keeps the place for another lease. */
  renew(request: PlaceRequest): Promise<void>;
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
  const ask = (mode: 'take' | 'renew' | 'leave', request: PlaceRequest) =>
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
      ],
    );
  return {
    leaseMs,
    async take(request) {
      const [taken, askAfterMs] = (await ask('take', request)) as [number, number];
      return taken === 1 ? { taken: true } : { taken: false, askAfterMs };
    },
    async renew(request) {
      await ask('renew', request);
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
