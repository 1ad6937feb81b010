import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRedis } from './find-redis.ts';

describe('findRedis', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'post-to-x-find-'));
  });
  afterEach(async () => rm(folder, { recursive: true }));

  async function program(file: string, version: string): Promise<string> {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, `#!/bin/sh\necho "Server v=${version} sha=0"\n`);
    await chmod(file, 0o755);
    return file;
  }
  const search = () => findRedis({ path: join(folder, 'bin'), cacheDir: join(folder, 'cache') });

  it('takes an installed Valkey where Redis is too old', async () => {
    await program(join(folder, 'bin/redis-server'), '6.0.16');
    const valkey = await program(join(folder, 'bin/valkey-server'), '8.1.1');
    expect(await search()).toEqual({ file: valkey });
  });

  it('takes the one that was unpacked before, with its own libraries', async () => {
    const unpacked = await program(join(folder, 'cache/redis-server/usr/bin/redis-server'), '7.0.15');
    const libraryPath = join(folder, 'cache/redis-server/usr/lib/x86_64-linux-gnu');
    await mkdir(libraryPath, { recursive: true });
    expect(await search()).toEqual({ file: unpacked, libraryPath });
  });

  it('says what to install where there is none and no apt-get either', async () => {
    await expect(search()).rejects.toThrow(/No Redis is installed.*Install it with .*REDIS_URL/);
    await program(join(folder, 'bin/redis-server'), '6.0.16');
    await expect(search()).rejects.toThrow(/7.0 or later is needed and only redis-server 6.0.16/);
  });
});
