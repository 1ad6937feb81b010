import type { Redis } from 'ioredis';
import { bucketOf, type Counted, type CountedName, catalogue, countKey } from './catalogue.ts';
import { lastWords } from './last-words.ts';

type Labels<Name extends CountedName> = (typeof catalogue)[Name]['labels'] extends readonly []
  ? readonly []
  : readonly [string, ...string[]];

/**
 * Counts for the whole deployment, added up in this process and written once a second: what was counted in the last
 * second before a crash is lost, and no post waits for a count.
 */
export interface Counts extends AsyncDisposable {
  /** `labels` in the order of the catalogue. */
  add<Name extends CountedName>(name: Name, labels: Labels<Name>, by?: number): void;
  /** One duration for a histogram in seconds. */
  time<Name extends CountedName>(name: Name, labels: Labels<Name>, durationMs: number): void;
}

/** Labels stand in the name of a hash field; whatever is not one plain word would only blow the hash up. */
const plain = (label: string): string => (/^[\w.-]{0,60}$/.test(label) ? label : 'other');

/** Opens the counts of a process; disposing of it writes what is left. */
export function createCounts({ redis, everyMs = 1000 }: { redis: Redis; everyMs?: number }): Counts {
  let pending = new Map<string, Map<string, number>>();
  let flushing: Promise<void> | null = null;

  function count(name: CountedName, field: string, by: number): void {
    const key = countKey(name);
    const fields = pending.get(key) ?? new Map<string, number>();
    pending.set(key, fields);
    fields.set(field, (fields.get(field) ?? 0) + by);
  }

  async function write(): Promise<void> {
    if (pending.size === 0) return;
    const taken = pending;
    pending = new Map();
    const transaction = redis.multi();
    for (const [key, fields] of taken)
      for (const [field, by] of fields) transaction.hincrby(key, field, Math.round(by));
    // Refused by Redis these are lost, like those of a crash; keeping them could count them twice.
    await transaction.exec().catch(() => {});
  }

  const flush = () => {
    flushing ??= write().finally(() => {
      flushing = null;
    });
    return flushing;
  };
  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();

  return {
    add: (name, labels, by = 1) => count(name, labels.map(plain).join('|'), by),
    time(name, labels, durationMs) {
      const { buckets = [] }: Counted = catalogue[name];
      const prefix = labels.map((label) => `${plain(label)}|`).join('');
      count(name, `${prefix}${bucketOf(buckets, durationMs / 1000)}`, 1);
      count(name, `${prefix}sum`, durationMs);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      // What a flush that is going on has not taken follows in the next.
      await lastWords(flush().then(flush));
    },
  };
}
