import { mkdir, readdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepReplaying } from './keep-replaying.ts';
import { openVault, startRig } from './vault-rig.ts';

let rig: Awaited<ReturnType<typeof startRig>>;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

test('what comes to lie in the spool while a process runs does not stay there, and a disk in trouble is told of once', async () => {
  await using opened = await openVault(rig.settings());
  await rm(rig.spoolDir, { recursive: true });
  const failures: unknown[] = [];
  const { vault, redis, spool } = opened;
  const tell = (error: unknown) => void failures.push(error);
  using _kept = await keepReplaying({ vault, redis, onFailure: tell, everyMs: 20 });
  redis.emit('ready');
  await expect.poll(() => failures).toMatchObject([{ code: 'ENOENT' }]);
  await mkdir(rig.spoolDir);
  // Of an account that is gone, with nothing to be revoked.
  const tokenSet = { accessToken: 'a', refreshToken: null, expiresAt: 1, scope: [] };
  await spool.append('token-set', { accountId: '7', version: 1, attemptId: 'a', digest: 'd', tokenSet });
  await expect.poll(() => readdir(rig.spoolDir)).toEqual([]);
  expect(failures).toHaveLength(1);
});
