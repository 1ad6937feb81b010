import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { dropWithoutActing } from '#apps/x-simulator/fault.ts';
import { eventually } from '../../test/eventually.ts';
import { failure } from '../../test/failure.ts';
import { expired, hour, nearlyExpired, tokenEndpoint, useOwnRig } from './own-rig.ts';
import { openVault } from './vault-rig.ts';

const { rig, open } = await useOwnRig();

/** Another process asks for a token; `dieAt` is where it kills itself. */
function startProcess(dieAt = '') {
  const args = ['libs/accounts/test-vault-process.ts', JSON.stringify(rig.settings()), rig.accountId, dieAt];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  return { child, ended, printed: text(child.stdout) };
}

test('killed with the marker written and nothing sent: the account goes on', async () => {
  const { refreshToken } = await rig.connect();
  rig.skip(expired);
  expect(await startProcess('marked').ended).toBe('SIGKILL');
  expect(rig.presented()).toEqual([]);
  await releaseLock();
  await using opened = await open();
  expect(rig.worksAtX(await opened.vault.accessToken(rig.accountId))).toBe(true);
  expect(rig.presented()).toEqual([refreshToken]);
});

test('killed while X holds the request: the old token serves, then one more try decides', async () => {
  const { accessToken, refreshToken } = await rig.connect();
  rig.skip(nearlyExpired);
  const hold = rig.simulator.faults.hold(tokenEndpoint, 'committed');
  const { child, ended } = startProcess();
  await hold.reached;
  child.kill('SIGKILL');
  await ended;
  hold.release();
  await releaseLock();
  await using opened = await open();
  expect(await opened.vault.accessToken(rig.accountId)).toBe(accessToken);
  rig.skip(hour);
  await using later = await open();
  expect(await failure(later.vault.accessToken(rig.accountId))).toMatchObject({ code: 'reconnect_needed' });
  expect(rig.presented()).toEqual([refreshToken, refreshToken]);
});

test.each(['spooled', 'stored'])(
  'killed with the answer in hand (%s): nothing is presented again',
  async (dieAt) => {
    const { refreshToken } = await rig.connect();
    rig.skip(expired);
    expect(await startProcess(dieAt).ended).toBe('SIGKILL');
    const restarted = startProcess();
    const renewed = await restarted.printed;
    expect(rig.worksAtX(renewed)).toBe(true);
    expect(rig.presented()).toEqual([refreshToken]);
    expect(await readdir(rig.spoolDir)).toEqual([]);
  },
);

test('a process that was running all along finds the pair of a killed one on the disk', async () => {
  const { refreshToken } = await rig.connect();
  rig.skip(expired);
  await using opened = await open();
  expect(await startProcess('spooled').ended).toBe('SIGKILL');
  await releaseLock();
  expect(rig.worksAtX(await opened.vault.accessToken(rig.accountId))).toBe(true);
  expect(rig.presented()).toEqual([refreshToken]);
});

test('a pair that lies on the disk of another machine, until Redis is back for it, is waited for: nothing is presented again', async () => {
  const { refreshToken } = await rig.connect();
  rig.skip(expired);
  const redisIsBack = Promise.withResolvers<void>();
  const spooled = Promise.withResolvers<void>();
  const elsewhere = { ...rig.settings(), spoolDir: join(rig.spoolDir, 'elsewhere') };
  await using other = await openVault(elsewhere, ({ accounts }) => ({
    accounts: {
      ...accounts,
      tokens: {
        ...accounts.tokens,
        async rotate(rotation) {
          spooled.resolve();
          await redisIsBack.promise;
          return await accounts.tokens.rotate(rotation);
        },
      },
    },
  }));
  const asked = other.vault.accessToken(rig.accountId);
  await spooled.promise;
  await releaseLock();
  await using here = await open(() => ({ othersStoreWithinMs: 60_000 }));
  const waiting = here.vault.accessToken(rig.accountId);
  await eventually(async () => expect(await here.redis.exists(`lock:refresh:${rig.accountId}`)).toBe(1));
  redisIsBack.resolve();
  expect(await waiting).toBe(await asked);
  expect(rig.presented()).toEqual([refreshToken]);
});

test('one that answers nothing on any disk is presented again in the end', async () => {
  const { refreshToken } = await rig.connect();
  rig.skip(expired);
  rig.simulator.faults.next(tokenEndpoint, dropWithoutActing());
  await using other = await open(({ oauth }) => ({
    oauth: { ...oauth, refresh: (value) => oauth.refresh(value).finally(() => other.redis.disconnect()) },
  }));
  await failure(other.vault.accessToken(rig.accountId));
  await releaseLock();
  await using here = await open();
  expect(rig.worksAtX(await here.vault.accessToken(rig.accountId))).toBe(true);
  expect(rig.presented()).toEqual([refreshToken, refreshToken]);
});

/** As if the lock's minute of a killed process had passed. */
async function releaseLock() {
  await using opened = await open();
  await opened.redis.del(`lock:refresh:${rig.accountId}`);
}
