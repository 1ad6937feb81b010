import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRedisServer } from '../../test/redis-server.ts';
import { connectRedis } from './connect.ts';
import { createEpochWatch } from './epoch.ts';

describe('the epoch', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'post-to-x-epoch-'));
  });
  afterEach(async () => rm(folder, { recursive: true }));

  it('rises with every look of every watch, and a restart of Redis is no loss', async () => {
    await using first = await startRedisServer({ dir: folder });
    await using redis = await connectRedis(first.url, 'wait');
    const [one, other] = [await createEpochWatch({ redis }), await createEpochWatch({ redis })];
    const readings = [await one.check(), await other.check(), await other.check(), await one.check()];
    expect(readings.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    first.kill('SIGKILL');
    await first.ended;
    await using _second = await startRedisServer({ dir: folder, port: first.port });
    const after = await one.check();
    expect(after).toMatchObject({ epoch: 5, wentBackAt: null });
    expect(after.runId).not.toBe(readings[0]?.runId);
  });

  it('shows a Redis that came back with an older file, to every watch, until that is settled', async () => {
    const live = join(folder, 'live');
    await mkdir(live);
    await using first = await startRedisServer({ dir: live });
    await using redis = await connectRedis(first.url, 'wait');
    const busy = await createEpochWatch({ redis });
    const idle = await createEpochWatch({ redis });
    await busy.check();
    await idle.check();
    await cp(live, join(folder, 'older'), { recursive: true });
    await idle.check();
    first.kill('SIGKILL');
    await first.ended;
    await rm(live, { recursive: true });
    await cp(join(folder, 'older'), live, { recursive: true });
    await using _second = await startRedisServer({ dir: live, port: first.port });
    // What this one wrote is still there, and it even raises the epoch beyond what the other one knows.
    expect((await busy.check()).wentBackAt).toBeNull();
    await busy.check();
    const { wentBackAt } = await idle.check();
    expect(wentBackAt).toBeGreaterThan(0);
    expect((await busy.check()).wentBackAt).toBe(wentBackAt);
    expect((await (await createEpochWatch({ redis })).check()).wentBackAt).toBe(wentBackAt);
    await busy.settle(Number(wentBackAt) - 1);
    expect((await busy.check()).wentBackAt).toBe(wentBackAt);
    await busy.settle(Number(wentBackAt));
    expect((await idle.check()).wentBackAt).toBeNull();
  });

  it('shows a flush', async () => {
    await using server = await startRedisServer();
    await using redis = await connectRedis(server.url, 'wait');
    const watch = await createEpochWatch({ redis });
    await watch.check();
    await redis.flushall();
    expect(await watch.check()).toMatchObject({ epoch: 2, wentBackAt: expect.any(Number) });
  });

  it('shows a loss that happened while no process was running', async () => {
    const file = join(folder, 'worker', 'epoch');
    await using server = await startRedisServer();
    await using redis = await connectRedis(server.url, 'wait');
    const before = await createEpochWatch({ redis, file });
    await before.check();
    await before.close();
    const same = await createEpochWatch({ redis, file });
    expect((await same.check()).wentBackAt).toBeNull();
    await redis.flushall();
    const after = await createEpochWatch({ redis, file });
    expect((await after.check()).wentBackAt).not.toBeNull();
  });

  it('is watched on while its file cannot be written, which leaves nothing behind and is told', async () => {
    const file = join(folder, 'epoch');
    await using server = await startRedisServer();
    await using redis = await connectRedis(server.url, 'wait');
    await mkdir(join(file, 'in the way'), { recursive: true });
    const watch = await createEpochWatch({ redis, file });
    expect(await watch.check()).toMatchObject({ epoch: 1, fileError: { code: 'EISDIR' } });
    await redis.flushall();
    expect(await watch.check()).toMatchObject({ wentBackAt: expect.any(Number) });
    expect(await readdir(folder)).toEqual(['epoch']);
    await rm(file, { recursive: true });
    expect(await watch.check()).toMatchObject({ epoch: 3, fileError: null });
    expect(await readFile(file, 'utf8')).toBe('3');
  });

  it('forgets the watches of processes that died long ago, and those that were closed at once', async () => {
    await using server = await startRedisServer();
    await using redis = await connectRedis(server.url, 'wait');
    await redis.hset('epoch', 'epoch', 2_000_000, 'watch:dead', 7);
    const watch = await createEpochWatch({ redis });
    await watch.check();
    expect(await redis.hlen('epoch')).toBe(2);
    await watch.close();
    expect(await redis.hkeys('epoch')).toEqual(['epoch']);
  });
});
