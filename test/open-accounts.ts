import { createAccountStore } from '#libs/accounts/account-store.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import type { System } from './system.ts';

/** The vault of a system, opened beside it: for tests that look at what is stored. */
export async function openAccounts({ config }: Pick<System, 'config'>) {
  const redis = await connectRedis(config.redisUrl ?? '', 'fail-fast');
  const accounts = createAccountStore({ redis, sealer: createSealer(config.secrets.tokenKeys) });
  return { redis, accounts, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() };
}
