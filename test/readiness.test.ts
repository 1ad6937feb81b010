import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startApi } from '#apps/api/start-api.ts';
import { loadConfig } from '#libs/config/config.ts';
import { startRedisServer } from './redis-server.ts';

it('an API whose Redis could lose posts says so when it starts', async () => {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedisServer({ args: ['--appendfsync', 'everysec'] }));
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const config = loadConfig(
    {
      ...{
        PORT: '0',
        REDIS_URL: redis.url,
        DATA_DIR: dataDir,
        SECRET_KEY: randomBytes(32).toString('base64'),
      },
      TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    },
    'api',
  );
  const warnings: string[] = [];
  const silent = () => {};
  const warn = (_fields: unknown, message: string) => void warnings.push(message);
  const api = stack.use(await startApi(config, { debug: silent, info: silent, warn, error: silent }));
  const { problems } = (await (await fetch(`${api.url}/readyz`)).json()) as { problems: string[] };
  expect(problems[0]).toContain('appendfsync everysec');
  expect(api.problems).toEqual(problems);
  expect(warnings).toEqual(problems.map((problem) => `No post can be accepted: ${problem}`));
});
