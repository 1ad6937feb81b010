import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noteServer } from '#libs/deployment/noted-server.ts';
import { findRedis } from './find-redis.ts';
import { stopLeftover } from './leftover-redis.ts';
import { type RedisProcess, startRedisProcess } from './redis-process.ts';

interface EmbeddedOptions {
  /** Absolute; its `redis` folder keeps everything that Redis knows. The caller holds its lock. */
  readonly dataDir: string;
  /** Where an unpacked server is kept. */
  readonly cacheDir: string;
  /** Told in one sentence what takes time or went wrong. */
  readonly say: (line: string) => void;
}

/**
 * A durable Redis of our own, reachable from this machine with a password made anew at each start. Should it end
 * by itself, it is started again at the same address.
 * @throws NoRedisError
 */
export async function startEmbeddedRedis({ dataDir, cacheDir, say }: EmbeddedOptions) {
  const program = await findRedis({ cacheDir, say });
  const dir = join(dataDir, 'redis');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await stopLeftover(dir, say);
  const password = randomBytes(24).toString('base64url');
  const start = async (port?: number): Promise<RedisProcess> => {
    const server = await startRedisProcess({ program, dir, password, ...(port !== undefined && { port }) });
    await noteServer(dir, { pid: server.pid, port: server.port, password });
    return server;
  };
  const first = await start();
  const keeping = keepRunning(first, () => start(first.port), say);
  return { url: first.url, [Symbol.asyncDispose]: () => keeping.stop() };
}

function keepRunning(first: RedisProcess, restart: () => Promise<RedisProcess>, say: (line: string) => void) {
  const stopping = new AbortController();
  let server = first;
  const loop = async () => {
    for (let failures = 0; ; failures += 1) {
      await server.ended;
      if (stopping.signal.aborted) return;
      say('Redis ended by itself: starting it again.');
      try {
        await sleep(Math.min(100 * 2 ** failures, 10_000), undefined, { signal: stopping.signal });
        server = await restart();
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        say(`Redis does not start: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  const ended = loop();
  return {
    async stop() {
      stopping.abort();
      await server[Symbol.asyncDispose]();
      await ended;
      // It may have come up just now.
      await server[Symbol.asyncDispose]();
    },
  };
}
