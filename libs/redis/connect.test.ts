import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../test/eventually.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { connectRedis } from './connect.ts';

let server: Awaited<ReturnType<typeof startRedisServer>>;
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Keeps this process busy, as a burst of work would. */
function beBusy(durationMs: number): void {
  const until = performance.now() + durationMs;
  while (performance.now() < until);
}

it('a process that was busy itself does not take Redis for away', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  const answer = redis.ping();
  beBusy(1000);
  expect(await answer).toBe('PONG');
});

it('a Redis that says nothing is away within a second', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  server.kill('SIGSTOP');
  // A signal to a container takes a moment: until it has arrived, Redis still answers.
  await eventually(() => expect(redis.ping()).rejects.toThrow('timed out'));
  const askedAt = performance.now();
  await expect(redis.ping()).rejects.toThrow('timed out');
  const waitedMs = performance.now() - askedAt;
  server.kill('SIGCONT');
  expect(waitedMs).toBeGreaterThan(500);
});
