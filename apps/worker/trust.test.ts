import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { createLog } from '#libs/log/log.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { eventually } from '../../test/eventually.ts';
import { startRedisRelay } from '../../test/redis-relay.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { watchTrust } from './trust.ts';

/** A watch over a Redis behind a relay. `prepare` sees the data folder before it begins. */
async function watchOver(stack: AsyncDisposableStack, prepare: (dataDir: string) => unknown = () => {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-trust-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  await prepare(dataDir);
  const server = stack.use(await startRedisServer());
  const relay = stack.use(await startRedisRelay(server.port));
  const redis = stack.use(await connectRedis(relay.url, 'wait'));
  const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: Buffer.alloc(32) }]) });
  const told: string[] = [];
  const counts = { add: (what: string) => void told.push(what) };
  const log = createLog('test', 'silent');
  const trust = stack.use(await watchTrust({ redis, jobs, dataDir, counts, log }));
  stack.defer(() => relay.mend());
  return { trust, relay, redis, told };
}

it('Redis is not trusted from the moment its connection breaks until it has been looked at again', async () => {
  await using stack = new AsyncDisposableStack();
  const { trust, relay, told } = await watchOver(stack);
  expect(trust.holds()).toBe(true);
  relay.cut();
  await eventually(() => expect(trust.holds()).toBe(false));
  relay.mend();
  await eventually(() => expect(trust.holds()).toBe(true));
  expect(told).toEqual([]);
});

it('a disk that takes no file keeps nobody from trusting Redis, nor from noticing that it went back', async () => {
  await using stack = new AsyncDisposableStack();
  const { trust, relay, redis, told } = await watchOver(stack, (dataDir) =>
    mkdir(join(dataDir, 'epoch', 'in the way'), { recursive: true }),
  );
  expect(trust.holds()).toBe(true);
  relay.cut();
  await eventually(() => expect(trust.holds()).toBe(false));
  relay.mend();
  await eventually(() => expect(trust.holds()).toBe(true));
  await redis.flushall();
  await eventually(() => expect(told).toEqual(['redis_losses']));
});
