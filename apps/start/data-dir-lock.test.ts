import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDir } from './data-dir-lock.ts';

describe('the lock on a data folder', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-lock-'));
  });
  afterEach(async () => rm(dataDir, { recursive: true }));

  it('refuses a second holder by the number of the first, and is free again afterwards', async () => {
    const lock = await lockDataDir(dataDir);
    await expect(lockDataDir(dataDir)).rejects.toThrow(
      new RegExp(`process ${process.pid}.*${dataDir}.*DATA_DIR`),
    );
    await lock[Symbol.asyncDispose]();
    await using _again = await lockDataDir(dataDir);
  });

  it('works in a folder whose path is longer than a socket may have', async () => {
    const deep = join(dataDir, 'a'.repeat(120));
    await mkdir(deep);
    await using _lock = await lockDataDir(deep);
    await expect(lockDataDir(deep)).rejects.toThrow(/already runs/);
  });

  it('does not outlive a holder that was killed', async () => {
    const script = join(dataDir, 'holder.ts');
    const module = import.meta.resolve('./data-dir-lock.ts');
    await writeFile(
      script,
      `const { lockDataDir } = await import(${JSON.stringify(module)});
       await lockDataDir(${JSON.stringify(dataDir)});
       process.send('locked');
       setInterval(() => {}, 1000);`,
    );
    const holder = fork(script, { execArgv: [] });
    await once(holder, 'message');
    await expect(lockDataDir(dataDir)).rejects.toThrow(new RegExp(`process ${holder.pid}`));
    holder.kill('SIGKILL');
    await once(holder, 'close');
    await using _lock = await lockDataDir(dataDir);
  });
});
