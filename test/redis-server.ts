import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedis } from '#apps/start/find-redis.ts';
import { type RedisProcess, startRedisProcess } from '#apps/start/redis-process.ts';

interface RedisServerOptions {
  /** Further settings, in the form of the command line. */
  readonly args?: readonly string[];
  /** Start again on the files of an earlier server; they are then the caller's to remove. */
  readonly dir?: string;
  readonly port?: number;
}

/** Where an unpacked Redis is kept, shared with `npm start`. */
export const redisCacheDir = join(import.meta.dirname, '../node_modules/.cache');

/**
 * A private, durable Redis on a free loopback port. Its files go with it, unless `dir` was given.
 * POST_TO_X_TEST_REDIS_IMAGE names an image to run it from (`redis:7`, `redis:8`, `valkey/valkey:8`).
 */
export async function startRedisServer({ args, dir, port }: RedisServerOptions = {}): Promise<RedisProcess> {
  const folder = dir ?? (await mkdtemp(join(tmpdir(), 'post-to-x-redis-')));
  const options = { dir: folder, ...(args && { args }), ...(port !== undefined && { port }) };
  const server = await start(options);
  return {
    ...server,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      if (dir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function start(options: {
  dir: string;
  args?: readonly string[];
  port?: number;
}): Promise<RedisProcess> {
  const image = process.env.POST_TO_X_TEST_REDIS_IMAGE;
  if (!image)
    return await startRedisProcess({ ...options, program: await findRedis({ cacheDir: redisCacheDir }) });
  const { startRedisContainer } = await import('./redis-container.ts');
  return await startRedisContainer({ ...options, image });
}
