import { readdir, stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { startRedisServer } from '../../test/redis-server.ts';

describe('a Redis of our own', () => {
  it('keeps what it acknowledged when it is killed', async () => {
    await using first = await startRedisServer();
    await using before = await connectRedis(first.url, 'fail-fast');
    await before.set('job', 'accepted');
    first.kill('SIGKILL');
    await first.ended;
    await using second = await startRedisServer({ dir: first.dir, port: first.port });
    await using after = await connectRedis(second.url, 'fail-fast');
    expect(await after.get('job')).toBe('accepted');
    expect(second.url).toBe(first.url);
  });

  it('leaves no process and no file behind', async () => {
    const server = await startRedisServer();
    expect((await readdir(server.dir)).length).toBeGreaterThan(0);
    await server[Symbol.asyncDispose]();
    expect(() => process.kill(server.pid, 0)).toThrow(/ESRCH/);
    await expect(stat(server.dir)).rejects.toThrow(/ENOENT/);
  });

  it('can be disposed of while it is frozen', async () => {
    const server = await startRedisServer();
    server.kill('SIGSTOP');
    await server[Symbol.asyncDispose]();
    expect(() => process.kill(server.pid, 0)).toThrow(/ESRCH/);
  });

  it('says why when it cannot start', async () => {
    await using server = await startRedisServer();
    await expect(startRedisServer({ port: server.port })).rejects.toThrow(/Address already in use/);
  });
});
