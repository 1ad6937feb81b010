import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { freePort, type RedisProcess } from '#apps/start/redis-process.ts';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { startGate } from '../../test/faults/tcp-gate.ts';
import { startMediaHost } from '../../test/media-host.ts';
import { withClock } from '../../test/other-clock.ts';
import { startRedisRelay } from '../../test/redis-relay.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { startProcess, type TestProcess } from '../../test/system.ts';
import { fillMediaHost } from './media.ts';
import { noteChildren, type SeenProcess } from './orphans.ts';

/**
 * The window in which an outcome is in doubt. It covers what the mischief can add: 5 s from intent to request, an
 * answer delayed by 1 s, a post that X shows 2.5 s late. Less would be a promise that nobody makes.
 */
const confirmAfterMs = 9000;

export interface WorldOptions {
  /** How far the clock of each worker is off, ms; as many workers. */
  readonly clocks: readonly number[];
}

export type World = Awaited<ReturnType<typeof createWorld>>;

/** API, workers and Redis as processes of their own, each on a wire of its own to Redis; X is simulated here. */
export async function createWorld({ clocks }: WorldOptions) {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'nemesis-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const redisDir = join(dataDir, 'redis');
  await mkdir(redisDir);
  let redis: RedisProcess = await startRedisServer({ dir: redisDir });
  stack.defer(() => redis[Symbol.asyncDispose]());
  const users = ['ann', 'bob', 'cy', 'di', 'ed'].map((name, index) => ({
    id: String(1_450_000_000_000_000_101n + BigInt(index)),
    username: `nemesis_${name}`,
  }));
  const simulator = stack.use(
    await startSimulator({
      users,
      accessTokenSeconds: 150,
      rateLimits: { 'POST /2/tweets': { user: { limit: 6, windowMs: 15_000 } } },
    }),
  );
  const doorOfX = stack.use(await startGate(simulator.url));
  const mediaHost = stack.use(await startMediaHost());
  await fillMediaHost(mediaHost);
  const secrets = [1, 2, 3].map(() => randomBytes(32).toString('base64'));
  const apiPort = await freePort();
  const environment: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: String(apiPort),
    DATA_DIR: dataDir,
    SECRET_KEY: secrets[0] ?? '',
    TOKEN_KEYS: `k1:${secrets[1]}`,
    CLIENT_ID: 'nemesis-client',
    CLIENT_SECRET: secrets[2] ?? '',
    X_API_URL: doorOfX.url,
    X_AUTHORIZE_URL: `${simulator.url}/i/oauth2/authorize`,
    MEDIA_TRUSTED_HOSTS: mediaHost.host,
    CONFIRM_AFTER_MS: String(confirmAfterMs),
    // Little room, so that media has to wait for it now and then.
    MEDIA_DISK_BYTES: String(8 * 1024 * 1024),
  };
  // The last wire is that of the API.
  const relays = await Promise.all(
    [...clocks, 0].map(async () => stack.use(await startRedisRelay(redis.port))),
  );
  const outputs: string[][] = [];
  const children: SeenProcess[] = [];
  const killings: number[] = [];
  const badEnds: string[] = [];
  const kill = (process: TestProcess | undefined, signal: NodeJS.Signals) => {
    if (signal === 'SIGKILL') killings.push(Date.now());
    process?.kill(signal);
  };
  const run = async (app: 'api' | 'quick-worker', wire: number, more: Record<string, string> = {}) => {
    const started = await startProcess(app, { ...environment, REDIS_URL: relays[wire]?.url ?? '', ...more });
    outputs.push(started.output);
    return started;
  };
  const startWorker = (index: number) => run('quick-worker', index, withClock(clocks[index] ?? 0));
  const end = async (process: TestProcess | undefined, signal: 'SIGKILL' | 'SIGTERM') => {
    if (!process) return null;
    children.push(...(await noteChildren(process.child.pid)));
    kill(process, signal);
    const { code } = await process.exited;
    if (signal === 'SIGTERM' && code !== 0) badEnds.push(process.output.slice(-8).join('\n'));
    return code;
  };
  let api = await run('api', clocks.length);
  stack.defer(() => api[Symbol.asyncDispose]());
  const workers: TestProcess[] = await Promise.all(clocks.map((_, index) => startWorker(index)));
  stack.defer(async () => void (await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()))));
  const resources = stack.move();
  return {
    url: `http://127.0.0.1:${apiPort}`,
    dataDir,
    simulator,
    doorOfX,
    users,
    mediaHost,
    relays,
    workers,
    /** Everything that all processes, gone or not, have printed. */
    outputs,
    /** Processes that ours have started. */
    children,
    /** The last words of processes that were told to stop and did not end well. */
    badEnds,
    /** When processes of ours were killed, epoch ms. */
    killings,
    signalWorker: (index: number, signal: NodeJS.Signals) => kill(workers[index], signal),
    signalApi: (signal: NodeJS.Signals) => kill(api, signal),
    secrets,
    redis: () => redis,
    api: () => api,
    /** Resolves to the exit code of the old one, once the new one is ready. */
    async replaceWorker(index: number, signal: 'SIGKILL' | 'SIGTERM') {
      const code = await end(workers[index], signal);
      workers[index] = await startWorker(index);
      return code;
    },
    async replaceApi(signal: 'SIGKILL' | 'SIGTERM') {
      const code = await end(api, signal);
      api = await run('api', clocks.length);
      return code;
    },
    async replaceRedis(awayMs: number) {
      redis.kill('SIGKILL');
      await redis.ended;
      await pass(awayMs);
      redis = await startRedisServer({ dir: redisDir, port: redis.port });
    },
    /** Everything that is written from now on until `afterMs` will be forgotten. */
    async rewindRedis(afterMs: number) {
      const older = join(dataDir, 'older');
      redis.kill('SIGSTOP');
      await cp(redisDir, older, { recursive: true });
      redis.kill('SIGCONT');
      await pass(afterMs);
      redis.kill('SIGKILL');
      await redis.ended;
      await rm(redisDir, { recursive: true });
      await rename(older, redisDir);
      redis = await startRedisServer({ dir: redisDir, port: redis.port });
    },
    /** For a look, or a deed, that no process of ours has a hand in. */
    async atRedis<T>(act: (connection: RedisConnection) => Promise<T>): Promise<T> {
      await using connection = await connectRedis(redis.url, 'wait');
      return await act(connection);
    },
    /** Ends API and workers in good order, as an operator would. */
    async stop(): Promise<(number | null)[]> {
      return await Promise.all([api, ...workers].map((process) => end(process, 'SIGTERM')));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
