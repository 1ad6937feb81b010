import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { startRedisRelay } from '../../test/redis-relay.ts';
import { createAccountStore } from './account-store.ts';

const { redis, url } = await useOwnRedis();
const oldKey = { kid: 'old', key: randomBytes(32) };
const newKey = { kid: 'new', key: randomBytes(32) };

const ada = { id: '7', username: 'ada', name: 'Ada', subscriptionType: 'Premium' };
const tokenSet = (name: string) => ({
  accessToken: `canary-access-${name}`,
  refreshToken: `canary-refresh-${name}`,
  expiresAt: 5000,
  scope: ['tweet.read', 'media.write'],
});
const open = (...keys: (typeof oldKey)[]) =>
  createAccountStore({ redis, sealer: createSealer(keys.length ? keys : [oldKey]), now: () => 1000 });

test('a connected account is found with what X granted', async () => {
  const accounts = open();
  const connected = await accounts.connect(ada, tokenSet('1'));
  expect(connected).toEqual({
    ...ada,
    scope: ['tweet.read', 'media.write'],
    state: 'connected',
    connectedAt: 1000,
  });
  expect(await accounts.find('7')).toEqual(connected);
  expect(await accounts.find('8')).toBeNull();
  expect(await accounts.ids()).toEqual(['7']);
  expect(await accounts.tokens.read('7')).toMatchObject({
    version: 1,
    state: 'ok',
    accessToken: 'canary-access-1',
  });
});

test('no token stands in Redis in the clear', async () => {
  await open().connect(ada, tokenSet('1'));
  expect(JSON.stringify(await redis.hgetall('account:7'))).not.toContain('canary');
});

test('signing in again replaces the tokens and heals a dead account', async () => {
  const accounts = open();
  await accounts.connect(ada, tokenSet('1'));
  expect(await accounts.tokens.kill('7', 1, '')).toBe(true);
  expect(await accounts.find('7')).toMatchObject({ state: 'reconnect', username: 'ada' });
  expect(await redis.hexists('account:7', 'sealed')).toBe(0);
  await accounts.connect({ ...ada, username: 'ada2' }, tokenSet('2'));
  expect(await accounts.find('7')).toMatchObject({ state: 'connected', username: 'ada2' });
  expect(await accounts.tokens.read('7')).toMatchObject({ version: 2, accessToken: 'canary-access-2' });
});

test('signing in twice at once leaves one whole token set', async () => {
  const accounts = open();
  await Promise.all(['1', '2', '3', '4'].map((name) => accounts.connect(ada, tokenSet(name))));
  const record = await accounts.tokens.read('7');
  expect(record?.version).toBe(4);
  expect(record?.refreshToken?.at(-1)).toBe(record?.accessToken.at(-1));
});

test('a removed account is gone, and what is to be revoked comes back', async () => {
  const accounts = open();
  await accounts.connect(ada, tokenSet('1'));
  expect(await accounts.remove('7')).toEqual(tokenSet('1'));
  expect(await accounts.find('7')).toBeNull();
  expect(await accounts.ids()).toEqual([]);
  expect(await accounts.remove('7')).toBeNull();
  expect(await redis.keys('*')).toEqual([]);
});

test('removing an account loses no pair that is stored in the same moment: it is there, or to be revoked', async () => {
  await using relay = await startRedisRelay(Number(new URL(url).port));
  await using slow = await connectRedis(relay.url, 'wait');
  const accounts = open();
  await accounts.connect(ada, tokenSet('1'));
  // The read of the removal has been answered, and a refresh or a sign-in stores another pair before it goes on.
  const stored = relay.once({
    command: 'hmget',
    at: 'reply',
    act: async () => void (await accounts.connect(ada, tokenSet('2'))),
  });
  const removing = createAccountStore({ redis: slow, sealer: createSealer([oldKey]) });
  const removed = await removing.remove('7');
  await stored;
  const left = await accounts.tokens.read('7');
  expect([removed?.refreshToken, left?.refreshToken]).toEqual([
    tokenSet('1').refreshToken,
    tokenSet('2').refreshToken,
  ]);
});

test('tokens whose key is missing here leave the account connected, and work again when the key is back', async () => {
  await open(oldKey).connect(ada, tokenSet('1'));
  const without = open(newKey);
  expect(await without.find('7')).toMatchObject({ state: 'connected' });
  await expect(without.tokens.read('7')).rejects.toMatchObject({ name: 'UnknownKeyError', kid: 'old' });
  expect(await open(newKey, oldKey).tokens.read('7')).toMatchObject({ accessToken: 'canary-access-1' });
  // Whoever signs in again needs the missing key no more.
  await without.connect(ada, tokenSet('2'));
  expect(await without.tokens.read('7')).toMatchObject({ accessToken: 'canary-access-2' });
});

test('a sealed token set copied to another account does not open', async () => {
  const accounts = open();
  await accounts.connect(ada, tokenSet('1'));
  await accounts.connect({ ...ada, id: '8' }, tokenSet('2'));
  await redis.hset('account:8', 'sealed', (await redis.hget('account:7', 'sealed')) ?? '');
  expect(await accounts.find('8')).toMatchObject({ state: 'reconnect' });
});

test('keys rotate account by account, without touching what is sealed already', async () => {
  await open(oldKey).connect(ada, tokenSet('1'));
  const rotating = open(newKey, oldKey);
  expect(await rotating.reseal('7')).toBe(true);
  expect(await rotating.reseal('7')).toBe(false);
  expect(await rotating.reseal('8')).toBe(false);
  expect(await open(newKey).tokens.read('7')).toMatchObject({ version: 1, accessToken: 'canary-access-1' });
});

test('re-sealing never undoes a refresh that was stored meanwhile', async () => {
  const accounts = open(oldKey);
  await accounts.connect(ada, tokenSet('1'));
  const before = await redis.hgetall('account:7');
  const rotating = open(newKey, oldKey);
  // The re-sealing reads, then the sign-in of the same moment is stored, then the re-sealing writes.
  let signedIn = false;
  const slow = Object.assign(Object.create(redis), {
    async hmget(...args: [string, ...string[]]) {
      const fields = await redis.hmget(...args);
      if (!signedIn) await rotating.connect(ada, tokenSet('2'));
      signedIn = true;
      return fields;
    },
  });
  const late = createAccountStore({ redis: slow, sealer: createSealer([newKey, oldKey]) });
  expect(await late.reseal('7')).toBe(false);
  expect(await rotating.tokens.read('7')).toMatchObject({ version: 2, accessToken: 'canary-access-2' });
  expect(before.v).toBe('1');
});
