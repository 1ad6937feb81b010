import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#libs/config/config.ts';
import { loadGeneratedKeys } from './generated-keys.ts';

describe('generated keys', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-keys-'));
  });
  afterEach(async () => rm(dataDir, { recursive: true }));

  it('are made once, kept for their owner alone, and good enough for every process', async () => {
    const keys = await loadGeneratedKeys(dataDir);
    expect(await loadGeneratedKeys(dataDir)).toEqual(keys);
    expect((await stat(join(dataDir, 'keys.env'))).mode & 0o777).toBe(0o600);
    const config = loadConfig({ ...keys, REDIS_URL: 'redis://localhost' }, 'api');
    expect(config.secrets).toMatchObject({ secretKey: keys.SECRET_KEY, tokenKeys: [{ kid: 'k1' }] });
  });

  it('are never made anew over a file that cannot be read', async () => {
    await writeFile(join(dataDir, 'keys.env'), 'SECRET_KEY=');
    await expect(loadGeneratedKeys(dataDir)).rejects.toThrow(/damaged.*backup/);
  });
});
