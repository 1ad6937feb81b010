import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi } from '#apps/api/start-api.ts';
import { takeRefreshLock } from '#libs/accounts/refresh-lock.ts';
import { digestOf } from '#libs/accounts/token-store.ts';
import { loadConfig } from '#libs/config/config.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { openAccounts } from './open-accounts.ts';
import { startRedisRelay } from './redis-relay.ts';
import { type System, startSystem } from './system.ts';

let system: System;
let vault: Awaited<ReturnType<typeof openAccounts>>;
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  vault = await openAccounts(system);
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

/** X has rotated the account's pair, and Redis did not take the new one: it lies on this disk alone. */
async function spoolPair(dataDir: string, accountId: string): Promise<string> {
  const { tokens } = vault.accounts;
  const record = await tokens.read(accountId);
  const lock = await takeRefreshLock(vault.redis, accountId);
  if (!record || !lock) throw new Error('the account is busy or gone');
  const attemptId = `attempt-${record.version}`;
  expect(await tokens.mark(accountId, record, attemptId, lock)).toBe(true);
  await lock.release();
  const refreshToken = `refresh-${record.version + 1}`;
  const given = { accessToken: 'access', refreshToken, expiresAt: Date.now() + 7_200_000, scope: [] };
  const digest = digestOf(record.refreshToken ?? '');
  await using spool = await openSpool(join(dataDir, 'spool'), createSealer(system.config.secrets.tokenKeys));
  await spool.append('token-set', {
    ...{ accountId, version: record.version, attemptId, digest, tokenSet: given },
  });
  return refreshToken;
}

it('a pair of tokens that lies on the disk of an API alone is stored when it starts, and when its Redis is back', async () => {
  const { account } = await system.connect();
  const stored = async () => (await vault.accounts.tokens.read(account.id))?.refreshToken;
  const dataDir = join(system.dataDir, 'of another machine');
  await using relay = await startRedisRelay(system.redis.port);
  const config = loadConfig({ ...system.environment, DATA_DIR: dataDir, REDIS_URL: relay.url }, 'api');

  const first = await spoolPair(dataDir, account.id);
  await using _api = await startApi(config, system.log);
  expect(await stored()).toBe(first);

  relay.cut();
  const second = await spoolPair(dataDir, account.id);
  relay.mend();
  await expect.poll(stored).toBe(second);
  await using spool = await openSpool(join(dataDir, 'spool'), createSealer(config.secrets.tokenKeys));
  await expect.poll(() => spool.entries('token-set')).toEqual([]);
});
