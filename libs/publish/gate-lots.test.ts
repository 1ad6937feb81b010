import { describe, expect, it } from 'vitest';
import type { XExchange } from '#libs/x-api/x-api.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate } from './gate.ts';
import { takeInLots } from './gate-lots.ts';

const { redis } = await useOwnRedis();

const gate = () => createGate({ redis, random: () => 0 });
const none = { status: 200, durationMs: 1, rateLimits: [], date: null, transactionId: null } as const;
const append = (given: Partial<XExchange> = {}): XExchange => ({
  ...none,
  at: Date.now(),
  endpoint: 'append',
  ...given,
});
const left = (remaining: number, scope: 'user' | 'user_24h' | 'app_24h' = 'user', inMs = 60_000) => ({
  scope,
  limit: 100,
  remaining,
  resetAt: Math.ceil(Date.now() / 1000) * 1000 + inMs,
});
const remaining = async () => Number(await redis.hget('gate:7:append', 'remaining'));

describe('calls that are asked for several at a time', () => {
  it('are one question to Redis, and those not made are put back', async () => {
    await gate().learn('7', append({ rateLimits: [left(20)] }));
    {
      await using lots = takeInLots(gate(), { accountId: '7', endpoint: 'append', most: 8 });
      for (let call = 0; call < 10; call++)
        expect(await lots.take('7', 'append')).toMatchObject({ open: true });
      expect(await remaining()).toBe(4);
    }
    expect(await remaining()).toBe(10);
  });

  it('never exceed what is left, however many ask at once', async () => {
    await gate().learn('7', append({ rateLimits: [left(11)] }));
    await using lots = takeInLots(gate(), { accountId: '7', endpoint: 'append', most: 8 });
    await using others = takeInLots(gate(), { accountId: '7', endpoint: 'append', most: 8 });
    const takes = Array.from({ length: 30 }, (_, turn) => (turn % 2 ? lots : others).take('7', 'append'));
    expect((await Promise.all(takes)).filter(({ open }) => open)).toHaveLength(11);
  });

  it('end with a refusal: those kept for later are not made', async () => {
    await gate().learn('7', append({ rateLimits: [left(20)] }));
    await using lots = takeInLots(gate(), { accountId: '7', endpoint: 'append', most: 8 });
    await lots.take('7', 'append');
    await lots.learn('7', append({ status: 429, rateLimits: [left(0)] }));
    expect(await lots.take('7', 'append')).toMatchObject({ open: false, reason: 'limit' });
  });

  it('end well also when Redis does not take them back: the window ends anyway', async () => {
    const cut = async () => {
      throw new Error('Redis is away');
    };
    await gate().learn('7', append({ rateLimits: [left(20)] }));
    const lots = takeInLots({ ...gate(), putBack: cut }, { accountId: '7', endpoint: 'append', most: 8 });
    await lots.take('7', 'append');
    await lots.learn('7', append({ status: 429, rateLimits: [left(0)] }));
    expect(await gate().take('7', 'append')).toMatchObject({ open: false, reason: 'limit' });
    await redis.flushall();
    await lots.take('7', 'append');
    await lots[Symbol.asyncDispose]();
  });

  it('are a single one while a probe is to find out whether X answers again', async () => {
    await gate().learn('7', append({ status: 429 }));
    await redis.hset('gate:7:append', 'closed_until', Date.now() - 1);
    expect(await gate().takeSome('7', 'append', 8)).toMatchObject({ open: true, calls: 1 });
  });
});

describe('a call that was let through and not made', () => {
  it('counts in no window, not in that of a day either', async () => {
    const rateLimits = [left(5), left(3, 'user_24h'), left(2, 'app_24h')];
    await gate().learn('7', append({ rateLimits }));
    for (let round = 0; round < 10; round++) {
      const passage = await gate().take('7', 'append');
      expect(passage).toMatchObject({ open: true });
      if (passage.open) await gate().putBack('7', 'append', passage.ticket);
    }
  });

  it('gives nothing back to a window that did not count it', async () => {
    const early = await gate().take('7', 'append');
    await gate().learn('7', append({ rateLimits: [left(1)] }));
    if (early.open) await gate().putBack('7', 'append', early.ticket);
    expect(await gate().take('7', 'append')).toMatchObject({ open: true });
    expect(await gate().take('7', 'append')).toMatchObject({ open: false });
  });

  it('leaves the probe to the next one', async () => {
    await gate().learn('7', append({ status: 429 }));
    await redis.hset('gate:7:append', 'closed_until', Date.now() - 1);
    expect(await gate().take('7', 'append')).toMatchObject({ open: true });
    expect(await gate().take('7', 'append')).toMatchObject({ open: false });
    await gate().putBack('7', 'append', []);
    expect(await gate().take('7', 'append')).toMatchObject({ open: true });
  });
});

describe('a refusal', () => {
  it('closes the window that is used up, and not the day of the whole app', async () => {
    const rateLimits = [left(0), left(900, 'user_24h', 80_000_000), left(9000, 'app_24h', 80_000_000)];
    await gate().learn('7', append({ status: 429, rateLimits }));
    expect(await gate().take('8', 'append')).toMatchObject({ open: true });
    const own = await gate().take('7', 'append');
    expect(own.open ? 0 : own.until - Date.now()).toBeLessThan(70_000);
    expect(own.open).toBe(false);
  });

  it('counts once, however many calls were on their way when it came', async () => {
    await Promise.all(
      Array.from({ length: 50 }, () => gate().learn('7', append({ endpoint: 'finalize', status: 402 }))),
    );
    const passage = await gate().peek('8', 'create_tweet');
    expect(passage.open ? 0 : Math.round((passage.until - Date.now()) / 60_000)).toBe(1);
  });

  it('of an app that has used up its month holds for all its accounts, and one of them finds out when it is over', async () => {
    await gate().learn('7', append({ status: 429, problem: 'usage-capped' }));
    expect(await gate().take('8', 'append')).toMatchObject({ open: false, reason: 'limit' });
    await redis.hset('gate:app:append', 'closed_until', Date.now() - 1);
    const takes = await Promise.all(['8', '9', '7'].map((account) => gate().take(account, 'append')));
    expect(takes.filter(({ open }) => open)).toHaveLength(1);
  });

  it('stands when an answer from before it arrives late', async () => {
    await gate().learn('7', append({ status: 429, rateLimits: [left(0)] }));
    await gate().learn('7', append({ rateLimits: [left(3)] }));
    expect(await gate().take('7', 'append')).toMatchObject({ open: false });
  });

  it('is over for everybody within a moment of the answer to the probe', async () => {
    await gate().learn('7', append({ status: 429, problem: 'usage-capped' }));
    await redis.hset('gate:app:append', 'closed_until', Date.now() - 1);
    expect(await gate().take('7', 'append')).toMatchObject({ open: true });
    const waits = await gate().take('8', 'append');
    expect(waits.open ? 0 : waits.until - Date.now()).toBeLessThan(500);
    // It need not say how many are left.
    await gate().learn('7', append());
    const takes = Array.from({ length: 5 }, () => gate().take('8', 'append'));
    expect((await Promise.all(takes)).filter(({ open }) => open)).toHaveLength(5);
  });
});

it('an answer that repeats what was counted when its call was let through writes nothing', async () => {
  const one = gate();
  await one.learn('7', append({ rateLimits: [left(20)] }));
  await one.take('7', 'append');
  const before = await redis.info('commandstats');
  await one.learn('7', append({ rateLimits: [left(19)] }));
  expect(callsOf(await redis.info('commandstats'))).toBe(callsOf(before));
  await one.learn('7', append({ rateLimits: [left(12)] }));
  expect(await remaining()).toBe(12);
});

const callsOf = (stats: string) => /cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1];
