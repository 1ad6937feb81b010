import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startApi } from '#apps/api/start-api.ts';
import { freePort } from '#apps/start/redis-process.ts';
import { loadConfig } from '#libs/config/config.ts';
import { startRedisRelay } from './redis-relay.ts';
import { startRedisServer } from './redis-server.ts';

const silent = () => {};

async function dataDirOn(stack: AsyncDisposableStack): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}

const configOf = (settings: { PORT: string; REDIS_URL: string; DATA_DIR: string }) =>
  loadConfig(
    {
      ...settings,
      SECRET_KEY: randomBytes(32).toString('base64'),
      TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    },
    'api',
  );

it('an API whose Redis could lose posts says so when it starts', async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedisServer({ args: ['--appendfsync', 'everysec'] }));
  const config = configOf({ PORT: '0', REDIS_URL: redis.url, DATA_DIR: await dataDirOn(stack) });
  const warnings: string[] = [];
  const warn = (_fields: unknown, message: string) => void warnings.push(message);
  const api = stack.use(await startApi(config, { debug: silent, info: silent, warn, error: silent }));
  const { problems } = (await (await fetch(`${api.url}/readyz`)).json()) as { problems: string[] };
  expect(problems[0]).toContain('appendfsync everysec');
  expect(api.problems).toEqual(problems);
  expect(warnings).toEqual(problems.map((problem) => `No post can be accepted: ${problem}`));
});

it('what is asked of an API that is just starting is answered when it has started', async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedisServer());
  const relay = stack.use(await startRedisRelay(redis.port));
  const port = await freePort();
  const config = configOf({ PORT: `${port}`, REDIS_URL: relay.url, DATA_DIR: await dataDirOn(stack) });
  const asked: Promise<Response>[] = [];
  // By then it listens, and does not know yet how to answer.
  const act = async () => {
    asked.push(
      fetch(`http://127.0.0.1:${port}/healthz`),
      fetch(`http://127.0.0.1:${port}/postTweet`, { method: 'POST', body: '{"text":"Early"}' }),
    );
    for (let turn = 0; turn < 200; turn += 1) await nextTurn();
  };
  const listening = relay.once({ command: 'sealing-keys:', at: 'request', act });
  stack.use(await startApi(config, { debug: silent, info: silent, warn: silent, error: silent }));
  await listening;
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 401]);
});
