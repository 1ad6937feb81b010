import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { loadConfig } from '#libs/config/config.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { orderOf, requestOf } from '#libs/jobs/test-order.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { nodeFlags } from '#libs/run-app/node-flags.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { startRedisServer } from '../test/redis-server.ts';
import { type Program, startProgram } from './program.ts';

interface WorldOptions {
  /** How long the stand-in for X takes for each answer. */
  readonly xDelayMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/** A durable Redis, a stand-in for X, and API and workers as processes of their own: what a deployment runs. */
export async function startWorld({ xDelayMs = 0, environment = {} }: WorldOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const redisServer = stack.use(await startRedisServer());
  const x = stack.use(await startProgram('bench/programs/stand-in-x.ts', [xDelayMs]));
  const variables: Record<string, string> = {
    HOST: '127.0.0.1',
    PORT: '0',
    REDIS_URL: redisServer.url,
    DATA_DIR: dataDir,
    SECRET_KEY: randomBytes(32).toString('base64'),
    TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    CLIENT_ID: 'bench-client',
    CLIENT_SECRET: 'bench-secret',
    X_API_URL: x.url,
    X_AUTHORIZE_URL: `${x.url}/i/oauth2/authorize`,
    MAX_OPEN_JOBS: '1000000',
    REQUESTS_PER_MINUTE: '10000000',
    ...environment,
  };
  const config = loadConfig(variables, 'api');
  const redis = stack.use(await connectRedis(redisServer.url, 'wait'));
  const sealer = createSealer(config.secrets.tokenKeys);
  const jobs = createJobStore({ redis, sealer });
  const wakeUps = stack.use(createWakeUps({ redis }));
  const resources = stack.move();

  /** Accepts a text post as the API would, without the API. */
  async function acceptText(account: number, text: string): Promise<string> {
    const wakes: Promise<void>[] = [];
    const wake = (jobId: string, openJobs: number) => void wakes.push(wakeUps.add(jobId, { openJobs }));
    const outcome = await jobs.accept({
      ...requestOf({
        accountId: String(account),
        username: `user${account}`,
        order: orderOf(text),
        allowDuplicate: false,
        maxOpenJobs: 1_000_000,
      }),
      wakeAlong: wake,
    });
    if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
    if (outcome.isToBeWoken) wake(outcome.jobId, outcome.openJobs);
    await Promise.all(wakes);
    return outcome.jobId;
  }

  return {
    redis,
    redisUrl: redisServer.url,
    x,
    jobs,
    /** Accounts 1 to `count`, connected without a sign-in. */
    async connectAccounts(count: number): Promise<void> {
      const accounts = createAccountStore({ redis, sealer });
      const connect = (_: unknown, index: number) => {
        const id = String(index + 1);
        const user = { id, username: `user${id}`, name: `User ${id}`, subscriptionType: null };
        const expiresAt = Date.now() + 7_200_000;
        const tokens = { accessToken: `access-${id}`, refreshToken: `refresh-${id}`, expiresAt };
        return accounts.connect(user, { ...tokens, scope: ['tweet.write', 'media.write'] });
      };
      await Promise.all(Array.from({ length: count }, connect));
    },
    acceptText,
    /** Accepts `count` text posts, by turns for accounts 1 to `accounts`. */
    async acceptTexts(count: number, accounts: number, label: string): Promise<void> {
      for (let first = 0; first < count; first += 500)
        await Promise.all(
          Array.from({ length: Math.min(500, count - first) }, (_, index) =>
            acceptText(1 + ((first + index) % accounts), `${label} ${first + index}`),
          ),
        );
    },
    startApi: () => startProgram('apps/api/main.ts', [], variables, nodeFlags.api),
    startWorker: (own: Readonly<Record<string, string>> = {}): Promise<Program> =>
      startProgram('apps/worker/main.ts', [], { ...variables, ...own }, nodeFlags.worker),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Signs in at the API as user `id` of the stand-in. Resolves to our access token. */
export async function signIn(apiUrl: string, id: number): Promise<string> {
  const begun = await fetch(`${apiUrl}/startAuth`, { headers: { accept: 'application/json' } });
  const cookies = begun.headers.getSetCookie().map((line) => line.split(';')[0]);
  const { state } = (await begun.json()) as { state: string };
  const done = await fetch(`${apiUrl}/callback?${new URLSearchParams({ state, code: String(id) })}`, {
    headers: { accept: 'application/json', cookie: cookies.join('; ') },
  });
  if (done.status !== 200) throw new Error(`sign-in failed: ${done.status} ${await done.text()}`);
  return ((await done.json()) as { access_token: string }).access_token;
}

/** What the stand-in for X has seen; times in ms on the clock of `process.hrtime`. */
export interface Seen {
  readonly creates: readonly number[];
  readonly segments: number;
  readonly finalizedAt: number;
}

export async function seenBy(x: Program): Promise<Seen> {
  return (await (await fetch(`${x.url}/seen`)).json()) as Seen;
}

export async function forget(x: Program): Promise<void> {
  await (await fetch(`${x.url}/forget`)).text();
}

/** Asks again and again until there is an answer. @throws Error after two minutes */
export async function until<T>(look: () => Promise<T | null>, everyMs = 20): Promise<T> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < 120_000) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw new Error('nothing came in two minutes');
}

/** The clock that all processes of the machine share, in ms. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;
