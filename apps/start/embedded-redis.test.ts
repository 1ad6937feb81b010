import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { checkDurability } from '#libs/redis/durability.ts';
import { eventually } from '../../test/eventually.ts';
import { redisCacheDir } from '../../test/redis-server.ts';
import { startEmbeddedRedis } from './embedded-redis.ts';
import { findRedis } from './find-redis.ts';

describe('the Redis of npm start', () => {
  let dataDir: string;
  let said: string[];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-embedded-'));
    said = [];
  });
  afterEach(async () => rm(dataDir, { recursive: true }));
  const start = () =>
    startEmbeddedRedis({ dataDir, cacheDir: redisCacheDir, say: (line) => said.push(line) });
  const noted = async () => JSON.parse(await readFile(join(dataDir, 'redis/server.json'), 'utf8'));

  it('is durable, wants a password, and keeps what it knows from start to start', async () => {
    {
      await using server = await start();
      await using redis = await connectRedis(server.url, 'fail-fast');
      expect(await checkDurability(redis)).toEqual({ problems: [], unchecked: [] });
      await redis.set('job', 'accepted');
      const { port, pid } = await noted();
      const stranger = `redis://127.0.0.1:${port}`;
      await expect(connectRedis(stranger, 'fail-fast', { timeoutMs: 500 })).rejects.toThrow();
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      expect(commandLine).not.toContain((await noted()).password);
      expect((await stat(join(dataDir, 'redis/server.json'))).mode & 0o777).toBe(0o600);
    }
    await using server = await start();
    await using redis = await connectRedis(server.url, 'fail-fast');
    expect(await redis.get('job')).toBe('accepted');
    expect(said).toEqual([]);
  });

  it('comes back at the same address when it is killed', async () => {
    await using server = await start();
    await using redis = await connectRedis(server.url, 'wait');
    await redis.set('job', 'accepted');
    const { pid } = await noted();
    process.kill(pid, 'SIGKILL');
    await eventually(async () => expect((await noted()).pid).not.toBe(pid));
    expect(await redis.get('job')).toBe('accepted');
    expect(said).toEqual(['Redis ended by itself: starting it again.']);
  });

  it.each(['answers', 'is frozen'])('one that was left behind and %s is stopped first', async (how) => {
    // Started beside us, as if its npm start and its watchdog had been killed together.
    const { file } = await findRedis({ cacheDir: redisCacheDir });
    const first = await start();
    const { port, password } = await noted();
    await first[Symbol.asyncDispose]();
    const args = ['--port', port, '--requirepass', password, '--dir', join(dataDir, 'redis')];
    const left = spawn(file, [...args, '--appendonly', 'yes'], { stdio: 'ignore' });
    const gone = once(left, 'exit');
    await using redis = await connectRedis(`redis://:${password}@127.0.0.1:${port}`, 'wait');
    await redis.set('job', 'accepted');
    await writeFile(join(dataDir, 'redis/server.json'), JSON.stringify({ pid: left.pid, port, password }));
    if (how === 'is frozen') left.kill('SIGSTOP');
    await using server = await start();
    await gone;
    await using again = await connectRedis(server.url, 'fail-fast');
    expect(await again.get('job')).toBe('accepted');
    expect(said).toEqual(['Stopping the Redis that an earlier start left behind.']);
  });

  it('leaves a process alone that merely has the number of an earlier Redis', async () => {
    await using first = await start();
    const innocent = spawn('sleep', ['60'], { stdio: 'ignore' });
    await first[Symbol.asyncDispose]();
    await writeFile(
      join(dataDir, 'redis/server.json'),
      JSON.stringify({ ...(await noted()), pid: innocent.pid }),
    );
    await using _second = await start();
    expect(innocent.exitCode).toBeNull();
    expect(innocent.signalCode).toBeNull();
    innocent.kill();
    await once(innocent, 'exit');
  });
});
