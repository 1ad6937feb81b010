import { afterAll, beforeEach } from 'vitest';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { startRedisServer } from './redis-server.ts';

/** A private Redis for the tests of a file: empty before each of them, gone after the last. */
export async function useOwnRedis(
  options: { readonly args?: readonly string[] } = {},
): Promise<{ readonly redis: RedisConnection; readonly url: string }> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startRedisServer(options));
  const redis = stack.use(await connectRedis(server.url, 'wait'));
  beforeEach(async () => void (await redis.flushall()));
  afterAll(() => stack.disposeAsync());
  return { redis, url: server.url };
}
