import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { actThenDrop, answer, dropWithoutActing } from '#apps/x-simulator/fault.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import { eventually } from '../../test/eventually.ts';
import { failure } from '../../test/failure.ts';
import { grantsOf } from './grants-of.ts';
import { expired, hour, nearlyExpired, tokenEndpoint, useOwnRig } from './own-rig.ts';
import { takeRefreshLock } from './refresh-lock.ts';
import { openVault } from './vault-rig.ts';

const { rig, open } = await useOwnRig();

test('a token with more than eleven minutes left is used as it is', async () => {
  const { accessToken } = await rig.connect();
  rig.skip(2 * hour - 12 * 60_000);
  await using opened = await open();
  expect(await opened.vault.accessToken(rig.accountId)).toBe(accessToken);
  expect(rig.presented()).toEqual([]);
});

test('near its end a token is refreshed once, and the new pair is stored', async () => {
  const first = await rig.connect();
  rig.skip(nearlyExpired);
  await using opened = await open();
  const renewed = await opened.vault.accessToken(rig.accountId);
  expect(renewed).not.toBe(first.accessToken);
  expect(rig.worksAtX(renewed)).toBe(true);
  expect(await opened.vault.accessToken(rig.accountId)).toBe(renewed);
  expect(rig.presented()).toEqual([first.refreshToken]);
  expect(await opened.accounts.tokens.read(rig.accountId)).toMatchObject({
    version: 2,
    state: 'ok',
    attempt: null,
  });
  expect(await readdir(rig.spoolDir)).toEqual([]);
});

test('a need for less time is content with less', async () => {
  const { accessToken } = await rig.connect();
  rig.skip(nearlyExpired);
  await using opened = await open();
  expect(await opened.vault.accessToken(rig.accountId, { minValidMs: 120_000 })).toBe(accessToken);
});

test('a token that X answered 401 to is replaced, unless another one is there already', async () => {
  const first = await rig.connect();
  await using opened = await open();
  const second = await opened.vault.accessToken(rig.accountId, { rejected: first.accessToken });
  expect(second).not.toBe(first.accessToken);
  expect(await opened.vault.accessToken(rig.accountId, { rejected: first.accessToken })).toBe(second);
  expect(rig.presented()).toHaveLength(1);
});

test('twenty callers in each of three processes make one refresh', async () => {
  await rig.connect();
  rig.skip(expired);
  const opened = await Promise.all([open(), open(), open()]);
  const asked = opened.flatMap(({ vault }) =>
    Array.from({ length: 20 }, () => vault.accessToken(rig.accountId)),
  );
  expect(new Set(await Promise.all(asked)).size).toBe(1);
  expect(rig.presented()).toHaveLength(1);
  for (const each of opened) await each[Symbol.asyncDispose]();
});

test('twenty callers whose token X refused make one refresh', async () => {
  const { accessToken } = await rig.connect();
  const opened = await Promise.all([open(), open()]);
  const asked = opened.flatMap(({ vault }) =>
    Array.from({ length: 20 }, () => vault.accessToken(rig.accountId, { rejected: accessToken })),
  );
  expect(new Set(await Promise.all(asked)).size).toBe(1);
  expect(rig.presented()).toHaveLength(1);
  for (const each of opened) await each[Symbol.asyncDispose]();
});

test('where X lets tokens live for a minute only, a young one is used as it is', async () => {
  await rig.connect();
  rig.skip(expired);
  rig.simulator.state.settings.accessTokenSeconds = 60;
  await using opened = await open();
  const renewed = await opened.vault.accessToken(rig.accountId);
  for (let i = 0; i < 3; i++) expect(await opened.vault.accessToken(rig.accountId)).toBe(renewed);
  expect(rig.presented()).toHaveLength(1);
  rig.skip(40_000);
  await using later = await open();
  expect(await later.vault.accessToken(rig.accountId)).not.toBe(renewed);
  expect(rig.presented()).toHaveLength(2);
});

test('a refused connection leaves everything as it was', async () => {
  const { accessToken } = await rig.connect();
  rig.skip(nearlyExpired);
  const nobody = { ...rig.settings(), apiUrl: 'http://127.0.0.1:1' };
  await using opened = await openVault(nobody);
  expect(await opened.vault.accessToken(rig.accountId)).toBe(accessToken);
  expect(await opened.accounts.tokens.read(rig.accountId)).toMatchObject({ state: 'ok', attempt: null });
});

test('without X and with a dead token the caller learns that nothing was sent', async () => {
  await rig.connect();
  rig.skip(expired);
  await using opened = await openVault({ ...rig.settings(), apiUrl: 'http://127.0.0.1:1' });
  const error = await failure(opened.vault.accessToken(rig.accountId));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({ sent: false });
  expect(await opened.accounts.find(rig.accountId)).toMatchObject({ state: 'connected' });
});

test('after an unknown outcome the old token serves while it lives, and nothing is presented again', async () => {
  const { accessToken } = await rig.connect();
  rig.skip(nearlyExpired);
  rig.simulator.faults.next(tokenEndpoint, actThenDrop());
  await using opened = await open();
  for (let i = 0; i < 3; i++) expect(await opened.vault.accessToken(rig.accountId)).toBe(accessToken);
  expect(rig.presented()).toHaveLength(1);
  expect(await opened.accounts.tokens.read(rig.accountId)).toMatchObject({ state: 'refreshing', version: 1 });
});

test('a lost answer is asked for once more: X did not act, the account goes on', async () => {
  const { refreshToken } = await rig.connect();
  rig.skip(expired);
  rig.simulator.faults.next(tokenEndpoint, dropWithoutActing());
  await using opened = await open();
  expect(rig.worksAtX(await opened.vault.accessToken(rig.accountId))).toBe(true);
  expect(rig.presented()).toEqual([refreshToken, refreshToken]);
});

test('a lost answer is asked for once more: X did act, the account needs a new sign-in', async () => {
  await rig.connect();
  rig.skip(expired);
  rig.simulator.faults.next(tokenEndpoint, actThenDrop());
  await using opened = await open();
  await opened.redis.set('oauth:Grant:a', '{}');
  await opened.redis.zadd(grantsOf(rig.accountId), 1, 'oauth:Grant:a');
  for (let i = 0; i < 3; i++) {
    const error = await failure(opened.vault.accessToken(rig.accountId));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: 'reconnect_needed' });
  }
  expect(rig.presented()).toHaveLength(2);
  // What clients were granted ends with it, so that they ask for a new sign-in.
  expect(await opened.redis.keys('oauth:*')).toEqual([]);
  expect(await opened.accounts.find(rig.accountId)).toMatchObject({ state: 'reconnect' });
  expect(await opened.redis.hexists(`account:${rig.accountId}`, 'sealed')).toBe(0);
});

test.each([500, 503, 408])(
  'X answering %i again and again disconnects nobody and is not hammered',
  async (status) => {
    await rig.connect();
    rig.skip(expired);
    const fault = rig.simulator.faults.always(tokenEndpoint, answer(status));
    await using opened = await open();
    expect(await failure(opened.vault.accessToken(rig.accountId))).toMatchObject({ status });
    for (let i = 0; i < 5; i++)
      expect(await failure(opened.vault.accessToken(rig.accountId))).toBeInstanceOf(XUnreachableError);
    expect(rig.presented()).toHaveLength(2);
    rig.simulator.faults.remove(fault);
    await opened.redis.hincrby(`account:${rig.accountId}`, 'started_at', -31_000);
    expect(rig.worksAtX(await opened.vault.accessToken(rig.accountId))).toBe(true);
  },
);

test.each<[number, unknown]>([
  [401, { error: 'unauthorized_client', error_description: 'Missing valid authorization header' }],
  [400, { error: 'invalid_client', error_description: 'x' }],
  [401, { error: 'invalid_client' }],
  [400, { error: 'invalid_request', error_description: 'Missing required parameter [client_id].' }],
  [403, '<html>'],
  [429, { title: 'Too Many Requests' }],
])('%i %j is not the fault of the account', async (status, body) => {
  const { accessToken, refreshToken } = await rig.connect();
  rig.skip(nearlyExpired);
  rig.simulator.faults.always(tokenEndpoint, answer(status, body));
  await using opened = await open();
  expect(await opened.vault.accessToken(rig.accountId)).toBe(accessToken);
  rig.skip(hour);
  await using later = await open();
  const error = await failure(later.vault.accessToken(rig.accountId));
  expect(error).toBeInstanceOf(XAnswerError);
  expect(error).toMatchObject({ status });
  expect(await later.accounts.tokens.read(rig.accountId)).toMatchObject({ state: 'ok', refreshToken });
});

test('an account whose user revoked the app is told so after one refresh, without its tokens', async () => {
  await rig.connect();
  rig.simulator.state.grants.disconnect(rig.accountId);
  rig.skip(expired);
  await using opened = await open();
  expect(await failure(opened.vault.accessToken(rig.accountId))).toMatchObject({ code: 'reconnect_needed' });
  expect(rig.presented()).toHaveLength(1);
  await rig.connect();
  expect(rig.worksAtX(await opened.vault.accessToken(rig.accountId))).toBe(true);
});

test('an unknown account needs a sign-in', async () => {
  await using opened = await open();
  expect(await failure(opened.vault.accessToken('404'))).toMatchObject({ code: 'reconnect_needed' });
});

test('without a refresh token the access token serves to its end, and then the account needs a sign-in', async () => {
  const first = await rig.connect();
  await using opened = await open();
  const user = { id: rig.accountId, username: 'a', name: 'a', subscriptionType: null };
  await opened.accounts.connect(user, { ...first, refreshToken: null });
  rig.skip(nearlyExpired);
  await using late = await open();
  expect(await late.vault.accessToken(rig.accountId)).toBe(first.accessToken);
  rig.skip(hour);
  await using tooLate = await open();
  expect(await failure(tooLate.vault.accessToken(rig.accountId))).toMatchObject({ code: 'reconnect_needed' });
  expect(await tooLate.accounts.find(rig.accountId)).toMatchObject({ state: 'reconnect' });
});

test('a pair that arrives after the account was removed is revoked at X', async () => {
  await rig.connect();
  rig.skip(expired);
  const hold = rig.simulator.faults.hold(tokenEndpoint, 'committed');
  await using opened = await open();
  const asked = failure(opened.vault.accessToken(rig.accountId));
  await hold.reached;
  await opened.accounts.remove(rig.accountId);
  hold.release();
  expect(await asked).toMatchObject({ code: 'reconnect_needed' });
  const revocations = rig.simulator.state.requests.all.filter(({ path }) => path === '/2/oauth2/revoke');
  expect(revocations).toHaveLength(1);
  expect(await readdir(rig.spoolDir)).toEqual([]);
});

test('a sign-in during a refresh wins over the refresh', async () => {
  await rig.connect();
  rig.skip(expired);
  const hold = rig.simulator.faults.hold(tokenEndpoint, 'committed');
  await using opened = await open();
  const asked = opened.vault.accessToken(rig.accountId);
  await hold.reached;
  const signedIn = await rig.connect();
  hold.release();
  expect(await asked).toBe(signedIn.accessToken);
});

test('a Redis that is full still takes the new pair', async () => {
  await rig.connect();
  rig.skip(expired);
  const hold = rig.simulator.faults.hold(tokenEndpoint, 'committed');
  await using opened = await open();
  const asked = opened.vault.accessToken(rig.accountId);
  await hold.reached;
  await opened.redis.config('SET', 'maxmemory', '1');
  hold.release();
  const renewed = await asked;
  expect(await opened.accounts.tokens.read(rig.accountId)).toMatchObject({
    version: 2,
    accessToken: renewed,
  });
  await opened.redis.config('SET', 'maxmemory', '0');
});

test('a full Redis begins no refresh', async () => {
  await rig.connect();
  rig.skip(expired);
  await using opened = await open();
  await opened.redis.config('SET', 'maxmemory', '1');
  await failure(opened.vault.accessToken(rig.accountId));
  expect(rig.presented()).toEqual([]);
  await opened.redis.config('SET', 'maxmemory', '0');
});

test('whoever waits for the refresh of another process is let go when this one is about to end', async () => {
  await rig.connect();
  rig.skip(expired);
  await using opened = await open();
  const lock = await takeRefreshLock(opened.redis, rig.accountId);
  await opened.redis.config('RESETSTAT');
  const waiting = Promise.all([
    failure(opened.vault.accessToken(rig.accountId)),
    failure(opened.vault.accessToken(rig.accountId)),
  ]);
  // Whoever does not get the lock looks who has it.
  await eventually(async () => expect(await opened.redis.info('commandstats')).toContain('cmdstat_get:'));
  opened.vault.leave();
  const letGo = expect.objectContaining({ name: 'AbortError' });
  expect(await waiting).toEqual([letGo, letGo]);
  await lock?.release();
  expect(await failure(opened.vault.accessToken(rig.accountId))).toMatchObject({ name: 'AbortError' });
  expect(rig.presented()).toEqual([]);
});

test('closing the vault waits for a refresh that is going on', async () => {
  await rig.connect();
  rig.skip(expired);
  const hold = rig.simulator.faults.hold(tokenEndpoint, 'committed');
  const opened = await open();
  const asked = opened.vault.accessToken(rig.accountId);
  await hold.reached;
  const closed = opened[Symbol.asyncDispose]().then(() => 'closed');
  expect(await Promise.race([closed, Promise.resolve('open')])).toBe('open');
  hold.release();
  await Promise.allSettled([asked, closed]);
  await using next = await open();
  expect(await next.accounts.tokens.read(rig.accountId)).toMatchObject({ version: 2 });
});
