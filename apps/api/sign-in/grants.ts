import type { Redis } from 'ioredis';
import { grantsOf } from '#libs/accounts/grants-of.ts';
import { nowSeconds, recordKey } from './oidc-records.ts';

/** How long a refresh token lives from its last use, and its grant with it. */
export const refreshTokenSeconds = 90 * 86_400;

/** Which grants exist, and whose they are. A grant is what one user allowed one client, once. */
export interface Grants {
  /** Notes a new grant of the account. */
  add(grantId: string, accountId: string): Promise<void>;
  /** Keeps a grant that still exists for as long as a refresh token issued now. */
  keep(grantId: string, accountId: string): Promise<void>;
  exists(grantId: string): Promise<boolean>;
  end(grantId: string): Promise<void>;
  endAllOf(accountId: string): Promise<void>;
}

export function createGrants(redis: Redis): Grants {
  const keyOf = (grantId: string) => recordKey('Grant', grantId);
  const inList = (commands: ReturnType<Redis['multi']>, accountId: string) =>
    commands.expire(grantsOf(accountId), refreshTokenSeconds).exec();
  return {
    async add(grantId, accountId) {
      const commands = redis
        .multi()
        .zremrangebyscore(grantsOf(accountId), 0, nowSeconds())
        .zadd(grantsOf(accountId), nowSeconds() + refreshTokenSeconds, keyOf(grantId));
      await inList(commands, accountId);
    },
    async keep(grantId, accountId) {
      const commands = redis
        .multi()
        .expire(keyOf(grantId), refreshTokenSeconds)
        .zadd(grantsOf(accountId), 'XX', nowSeconds() + refreshTokenSeconds, keyOf(grantId));
      await inList(commands, accountId);
    },
    exists: async (grantId) => (await redis.exists(keyOf(grantId))) === 1,
    end: async (grantId) => void (await redis.del(keyOf(grantId))),
    async endAllOf(accountId) {
      const keys = await redis.zrange(grantsOf(accountId), 0, '-1');
      if (keys.length === 0) return;
      await redis
        .multi()
        .del(...keys)
        .zrem(grantsOf(accountId), ...keys)
        .exec();
    },
  };
}
