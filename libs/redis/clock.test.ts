import { afterEach, expect, it, vi } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { followRedisClock } from './clock.ts';

const { redis } = await useOwnRedis();
afterEach(() => vi.useRealTimers());

it("goes by Redis' clock, whatever that of this machine says", async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1000 });
  using clock = await followRedisClock(redis);
  const [before] = await redis.time();
  const now = clock.now();
  const [after] = await redis.time();
  expect(now).toBeGreaterThanOrEqual(Number(before) * 1000);
  expect(now).toBeLessThanOrEqual((Number(after) + 1) * 1000);
});

it('follows where Redis goes, and does not believe an answer that was long on its way', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
  let [time, takesMs] = [1_000_000, 0];
  const answer = async () => {
    vi.advanceTimersByTime(takesMs);
    return [String(time / 1000), '0'];
  };
  const other = new Proxy(redis, {
    get: (target, name) => (name === 'time' ? answer : Reflect.get(target, name)),
  });
  using clock = await followRedisClock(other, { everyMs: 10_000 });
  expect(clock.now()).toBe(1_000_000);
  time = 5_000_000;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(clock.now()).toBe(5_000_000);
  [time, takesMs] = [9_000_000, 700];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(clock.now()).toBe(5_010_700);
});
