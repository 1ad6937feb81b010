import { expect, it } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { readLimits } from './limits-now.ts';

const { redis } = await useOwnRedis();

async function isOpen(breaker: string, now: number, waiting = {}): Promise<boolean> {
  const metrics = await readLimits(redis, now, waiting);
  const samples = metrics.find(({ name }) => name === 'post_to_x_breaker_open')?.samples ?? [];
  return samples.find(({ labels }) => labels.breaker === breaker)?.value === 1;
}

it('a breaker counts as open until a call gets through, also between two that try', async () => {
  const closedUntil = 1_000_000;
  await redis.hset('gate:app:down', { closed_until: closedUntil, closings: 3 });
  expect(await isOpen('x_down', closedUntil - 1)).toBe(true);
  expect(await isOpen('credits', closedUntil - 1)).toBe(false);
  // One is being made.
  expect(await isOpen('x_down', closedUntil + 20_000)).toBe(true);
  expect(await isOpen('x_down', closedUntil + 600_000, { x_down: 1 })).toBe(true);
  // Nobody will try: nothing is known.
  expect(await isOpen('x_down', closedUntil + 600_000, { x_down: 0 })).toBe(false);
  // As a call that gets through does it.
  await redis.del('gate:app:down');
  expect(await isOpen('x_down', closedUntil - 1, { x_down: 1 })).toBe(false);
});
