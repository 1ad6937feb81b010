import type { Redis } from 'ioredis';
import { prepareScript } from '#libs/redis/script.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import { orderContext, recordKey } from './job-keys.ts';

/** KEYS record · ARGV order before, order after → 1 or 0 */
const resealLua = `#!lua
local order = redis.call('HGET', KEYS[1], 'order')
if order == ARGV[2] then return 1 end
if order ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'order', ARGV[2])
return 1`;

/** The sealed orders of all jobs that are kept, ended ones included: their texts are still shown. */
export interface SealedOrders {
  ids(): Promise<string[]>;
  /** Id of the key that sealed a job's order; null: the job is no longer kept. */
  kidOf(jobId: string): Promise<string | null>;
  /**
   * Seals with the current key what an older one sealed. Resolves to whether it did.
   * @throws UnsealError when no key that we have opens it
   */
  reseal(jobId: string): Promise<boolean>;
}

/** May be used while workers run: an order never changes, and nothing else of the record is touched. */
export function createSealedOrders({ redis, sealer }: { redis: Redis; sealer: Sealer }): SealedOrders {
  const run = prepareScript(redis, resealLua);
  return {
    async ids() {
      const ids = new Set<string>();
      for await (const keys of redis.scanStream({ match: recordKey('*'), count: 1000, type: 'hash' }))
        for (const key of keys) ids.add(key.slice(recordKey('').length));
      return [...ids];
    },
    async kidOf(jobId) {
      const order = await redis.hget(recordKey(jobId), 'order');
      return order ? sealer.kidOf(order) : null;
    },
    async reseal(jobId) {
      const [order, account] = await redis.hmget(recordKey(jobId), 'order', 'account');
      if (!order || !account || sealer.kidOf(order) === sealer.currentKid) return false;
      const context = orderContext(account, jobId);
      const resealed = sealer.seal(sealer.open(order, context), context);
      return (await run([recordKey(jobId)], [order, resealed])) === 1;
    },
  };
}
