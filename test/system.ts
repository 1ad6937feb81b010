import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type RunningApi, startApi } from '#apps/api/start-api.ts';
import { type RunningWorker, startWorker } from '#apps/worker/start-worker.ts';
import type { WorkerTimings } from '#apps/worker/timings.ts';
import type { SimulatorOptions } from '#apps/x-simulator/settings.ts';
import { type Simulator, startSimulator } from '#apps/x-simulator/simulator.ts';
import { loadConfig } from '#libs/config/config.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { createLog } from '#libs/log/log.ts';
import { type MediaHost, startMediaHost } from './media-host.ts';
import { type ValidatingFetch, validatingFetch } from './openapi-fetch.ts';
import { startRedisServer } from './redis-server.ts';

interface SystemOptions {
  readonly simulator?: SimulatorOptions;
  /** Further variables of the environment, for API and workers alike. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Workers inside this process; tests that kill workers start processes of their own instead. */
  readonly workers?: number;
  readonly timings?: WorkerTimings;
  /** Where Redis keeps its files: the caller's to remove. */
  readonly redisDir?: string;
}

export type System = Awaited<ReturnType<typeof startSystem>>;

/** The whole product on a private Redis and a simulated X; every answer of its API is held against openapi.yaml. */
export async function startSystem(options: SystemOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const redis = stack.use(
    await startRedisServer(options.redisDir === undefined ? {} : { dir: options.redisDir }),
  );
  const simulator = stack.use(await startSimulator(options.simulator));
  const mediaHost: MediaHost = stack.use(await startMediaHost());
  const environment: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: '0',
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    SECRET_KEY: randomBytes(32).toString('base64'),
    TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    CLIENT_ID: 'test-client',
    CLIENT_SECRET: 'test-secret',
    X_API_URL: simulator.url,
    X_AUTHORIZE_URL: `${simulator.url}/i/oauth2/authorize`,
    MEDIA_TRUSTED_HOSTS: mediaHost.host,
    LOG_LEVEL: process.env.TEST_LOG ?? 'silent',
    ...options.environment,
  };
  const config = loadConfig(environment, 'api');
  const log = createLog('test', config.logLevel);
  const api: RunningApi = stack.use(await startApi(config, log));
  const workers: RunningWorker[] = [];
  for (let count = 0; count < (options.workers ?? 1); count++)
    workers.push(stack.use(await startWorker(config, log, options.timings)));
  const resources = stack.move();
  return {
    url: api.url,
    api,
    workers,
    simulator,
    mediaHost,
    redis,
    dataDir,
    environment,
    config,
    log,
    /** Connects a user of the simulator as a script would, and speaks for it. */
    connect: (user?: string) => connect(api.url, simulator, user),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** A connected account: its requests carry its access token. */
export interface Session {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly account: { readonly id: string; readonly username: string };
  request<T = JobView>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  /** Posts, and waits for the end of the job. */
  post(body: object): Promise<JobView>;
  /** Waits until the job has ended. */
  ended(jobId: string): Promise<JobView>;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Connects a user of the simulator at the API of `url`, as a script would. */
export async function connect(url: string, simulator: Simulator, user?: string): Promise<Session> {
  const begun = await fetch(`${url}/startAuth`, { headers: { accept: 'application/json' } });
  if (begun.status !== 200) throw new Error(`sign-in failed: ${begun.status} ${await begun.text()}`);
  const cookie = begun.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const { authorization_url: authorizationUrl } = (await begun.json()) as { authorization_url: string };
  const back = await simulator.authorize(authorizationUrl, user === undefined ? {} : { user });
  const callback = new URL(`/callback${back.search}`, url);
  const done = await fetch(callback, { headers: { accept: 'application/json', cookie } });
  if (done.status !== 200) throw new Error(`sign-in failed: ${done.status} ${await done.text()}`);
  const tokens = (await done.json()) as {
    access_token: string;
    refresh_token: string;
    account: Session['account'];
  };
  return createSession(url, tokens);
}

function createSession(
  url: string,
  tokens: { access_token: string; refresh_token: string; account: Session['account'] },
): Session {
  const send: ValidatingFetch = validatingFetch(url);
  const request = async <T = JobView>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> => {
    const answer = await send(path, {
      method,
      headers: {
        authorization: `Bearer ${tokens.access_token}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text || 'null') as T };
  };
  const ended: Session['ended'] = async (jobId) => {
    for (;;) {
      const { body } = await request('GET', `/jobs/${jobId}?wait_seconds=40`);
      if (body.next_check_seconds === null) return body;
    }
  };
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    account: tokens.account,
    request,
    ended,
    async post(body) {
      const answer = await request('POST', '/postTweet', body);
      if (answer.status >= 300) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      return await ended(answer.body.job_id);
    },
  };
}

/** A process of the product, as a supervisor would start it: to be killed, frozen and stopped. */
export interface TestProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Everything it has printed. */
  readonly output: string[];
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const programs = {
  api: '../apps/api/main.ts',
  worker: '../apps/worker/main.ts',
  'quick-worker': 'quick-worker.ts',
} as const;

/** Starts a program in a process of its own and waits for its line that says it is ready. */
export async function startProcess(
  app: keyof typeof programs,
  environment: Record<string, string>,
): Promise<TestProcess> {
  const script = join(import.meta.dirname, programs[app]);
  const child = spawn(process.execPath, [script], {
    env: {
      PATH: process.env.PATH ?? '',
      // Compiling is most of what a start costs, and tests start many.
      NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/node-compile'),
      ...environment,
      LOG_LEVEL: 'info',
    },
    // No .env file of somebody's lies there.
    cwd: join(import.meta.dirname, '../apps'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const ready = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      output.push(line);
      if (line.includes('is ready')) ready.resolve();
    });
  exited.then(() => ready.reject(new Error(`${app} ended before it was ready:\n${output.join('\n')}`)));
  await ready.promise;
  return {
    child,
    output,
    exited,
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
