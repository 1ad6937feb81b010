import { describe, expect, it } from 'vitest';
import type { XExchange } from '#libs/x-api/x-api.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate } from './gate.ts';

const { redis } = await useOwnRedis();

const gate = () => createGate({ redis, random: () => 0 });
const exchange = (given: Partial<XExchange>): XExchange => ({
  endpoint: 'create_tweet',
  status: 201,
  at: Date.now(),
  durationMs: 1,
  rateLimits: [],
  date: null,
  transactionId: null,
  ...given,
});
const limit = (remaining: number, resetAt: number, scope: 'user' | 'user_24h' | 'app_24h' = 'user') => ({
  scope,
  limit: 100,
  remaining,
  resetAt,
});
/** Resets are kept by Redis' clock, which moves on while it is told of them. */
const about = (time: number) => expect.toSatisfy((until: number) => until >= time && until < time + 500);
/** What the gate would say once the time for which it is closed is over. */
const letTimePass = async (key: string) => {
  await redis.hset(key, 'closed_until', Date.now() - 1);
};

describe('a gate', () => {
  it('is closed until the reset that X named, for this account and endpoint alone', async () => {
    const resetAt = Date.now() + 60_000;
    await gate().learn('7', exchange({ status: 429, rateLimits: [limit(0, resetAt)] }));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({
      open: false,
      until: about(resetAt),
      reason: 'limit',
    });
    expect(await gate().take('8', 'create_tweet')).toMatchObject({ open: true });
    expect(await gate().take('7', 'append')).toMatchObject({ open: true });
  });

  it('takes the reset by the clock of X', async () => {
    const xNow = Date.now() - 3_600_000;
    const answer = { status: 429, date: xNow, rateLimits: [limit(0, xNow + 60_000)] };
    await gate().learn('7', exchange(answer));
    const passage = await gate().peek('7', 'create_tweet');
    expect(passage.open ? 0 : passage.until - Date.now()).toBeGreaterThan(55_000);
  });

  it('waits for the latest of several windows, whatever the short one says', async () => {
    const [soon, late] = [Date.now() + 60_000, Date.now() + 3_600_000];
    const rateLimits = [limit(0, late, 'user_24h'), limit(50, soon)];
    await gate().learn('7', exchange({ rateLimits }));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: false, until: about(late) });
  });

  it('is closed for every account when the app has reached its limit', async () => {
    const rateLimits = [limit(0, Date.now() + 60_000, 'app_24h')];
    await gate().learn('7', exchange({ status: 429, rateLimits }));
    expect(await gate().take('8', 'create_tweet')).toMatchObject({ open: false, reason: 'limit' });
  });

  it('backs off where X names no reset, longer each time', async () => {
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      await gate().learn('7', exchange({ status: 429 }));
      const passage = await gate().peek('7', 'create_tweet');
      waits.push(passage.open ? 0 : Math.round((passage.until - Date.now()) / 60_000));
      await letTimePass('gate:7:create_tweet');
      await gate().take('7', 'create_tweet');
    }
    expect(waits).toEqual([1, 2, 4]);
  });

  it('waits for as long as X asks in Retry-After, where it names no reset', async () => {
    await gate().learn('7', exchange({ status: 429, retryAfterMs: 20_000 }));
    const passage = await gate().peek('7', 'create_tweet');
    expect(passage.open ? 0 : Math.round((passage.until - Date.now()) / 1000)).toBe(20);
  });

  it('lets one probe pass after a refusal, and everybody once that is answered', async () => {
    await gate().learn('7', exchange({ status: 429 }));
    await letTimePass('gate:7:create_tweet');
    const passages = await Promise.all(Array.from({ length: 20 }, () => gate().take('7', 'create_tweet')));
    expect(passages.filter(({ open }) => open)).toHaveLength(1);
    await gate().learn('7', exchange({ rateLimits: [limit(99, Date.now() + 60_000)] }));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: true });
  });

  it('counts what is left for all workers together', async () => {
    await gate().learn('7', exchange({ rateLimits: [limit(3, Date.now() + 60_000)] }));
    const [one, other] = [gate(), gate()];
    const takes = Array.from({ length: 10 }, (_, turn) => (turn % 2 ? one : other).take('7', 'create_tweet'));
    expect((await Promise.all(takes)).filter(({ open }) => open)).toHaveLength(3);
  });

  it('does not count calls back that an overtaken answer has not seen yet', async () => {
    const resetAt = Date.now() + 60_000;
    await gate().learn('7', exchange({ rateLimits: [limit(1, resetAt)] }));
    await gate().learn('7', exchange({ rateLimits: [limit(5, resetAt)] }));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: true });
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: false });
  });

  it('believes nothing of an answer whose window is over by the time it is learned', async () => {
    const longAgo = Date.now() - 20 * 60_000;
    await gate().learn('7', exchange({ rateLimits: [limit(1, Date.now() + 60_000)] }));
    await gate().learn(
      '7',
      exchange({ at: longAgo, date: longAgo, rateLimits: [limit(50, longAgo + 60_000)] }),
    );
    await gate().learn('7', exchange({ at: longAgo, status: 429, rateLimits: [limit(0, longAgo + 60_000)] }));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: true });
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: false });
  });

  it('closes all billed calls of the app without credits, and no others', async () => {
    await gate().learn('7', exchange({ status: 402 }));
    expect(await gate().take('8', 'create_tweet')).toMatchObject({ open: false, reason: 'credits' });
    expect(await gate().take('8', 'user_tweets')).toMatchObject({ open: true });
    await letTimePass('gate:app:credits');
    expect(await gate().take('8', 'create_tweet')).toMatchObject({ open: true });
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: false, reason: 'credits' });
    await gate().learn('8', exchange({}));
    expect(await gate().take('7', 'create_tweet')).toMatchObject({ open: true });
  });

  it('closes when X failed five times in a row, and any answer opens it', async () => {
    const fail = () => gate().learn('7', exchange({ status: 503 }));
    for (let count = 0; count < 4; count++) await fail();
    expect(await gate().take('8', 'user_tweets')).toMatchObject({ open: true });
    await gate().learn('7', exchange({ status: null }));
    expect(await gate().take('8', 'user_tweets')).toMatchObject({ open: false, reason: 'x_down' });
    await gate().learn('7', exchange({ status: 400 }));
    expect(await gate().take('8', 'user_tweets')).toMatchObject({ open: true });
  });
});
