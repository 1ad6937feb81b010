import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { freePort, type RedisProcess } from '#apps/start/redis-process.ts';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { startMediaHost } from '../../test/media-host.ts';
import { startRedisRelay } from '../../test/redis-relay.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { startProcess, type TestProcess } from '../../test/system.ts';

/**
 * The window in which an outcome is in doubt. It covers what the mischief can add: 5 s from intent to request, a
 * freeze of 2.5 s, an answer delayed by 1 s. Less would be a promise that nobody makes.
 */
const confirmAfterMs = 9000;

export type World = Awaited<ReturnType<typeof createWorld>>;

/** API, workers and Redis as processes of their own, each worker on a wire of its own to Redis; X is simulated here. */
export async function createWorld(workerCount: number) {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'nemesis-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const redisDir = join(dataDir, 'redis');
  let redis: RedisProcess = await startRedisServer({ dir: await emptyFolder(redisDir) });
  stack.defer(() => redis[Symbol.asyncDispose]());
  const users = ['ann', 'bob', 'cy', 'di', 'ed'].map((name, index) => ({
    id: String(1_450_000_000_000_000_101n + BigInt(index)),
    username: `nemesis_${name}`,
  }));
  const simulator = stack.use(await startSimulator({ users, accessTokenSeconds: 720 }));
  const mediaHost = stack.use(await startMediaHost());
  for (const [index, colour] of ['#223344', '#ffcc00'].entries())
    mediaHost.files.set(`/${index}.png`, await drawPicture(colour));
  const apiPort = await freePort();
  const environment: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: String(apiPort),
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    SECRET_KEY: randomBytes(32).toString('base64'),
    TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    CLIENT_ID: 'nemesis-client',
    CLIENT_SECRET: 'nemesis-secret',
    X_API_URL: simulator.url,
    X_AUTHORIZE_URL: `${simulator.url}/i/oauth2/authorize`,
    MEDIA_TRUSTED_HOSTS: mediaHost.host,
    CONFIRM_AFTER_MS: String(confirmAfterMs),
  };
  const relays = await Promise.all(
    Array.from({ length: workerCount }, async () => stack.use(await startRedisRelay(redis.port))),
  );
  const startWorker = (index: number) =>
    startProcess('quick-worker', { ...environment, REDIS_URL: relays[index]?.url ?? redis.url });
  let api = await startProcess('api', environment);
  stack.defer(() => api[Symbol.asyncDispose]());
  const workers: TestProcess[] = await Promise.all(relays.map((_, index) => startWorker(index)));
  stack.defer(async () => void (await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()))));
  const resources = stack.move();
  return {
    url: `http://127.0.0.1:${apiPort}`,
    simulator,
    users,
    mediaHost,
    relays,
    workers,
    redis: () => redis,
    api: () => api,
    async replaceWorker(index: number, signal: 'SIGKILL' | 'SIGTERM') {
      const old = workers[index];
      old?.kill(signal);
      await old?.exited;
      workers[index] = await startWorker(index);
    },
    async replaceApi(signal: 'SIGKILL' | 'SIGTERM') {
      api.kill(signal);
      await api.exited;
      api = await startProcess('api', environment);
    },
    async replaceRedis() {
      redis.kill('SIGKILL');
      await redis.ended;
      redis = await startRedisServer({ dir: redisDir, port: redis.port });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function emptyFolder(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  return dir;
}

const drawPicture = (background: string) =>
  sharp({ create: { width: 200, height: 120, channels: 3, background } })
    .png()
    .toBuffer();
