import { randomBytes } from 'node:crypto';
import { chmod, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { StartError } from './start-error.ts';

/** The keys that `npm start` makes for those who set none, in the form of the environment variables. */
export interface GeneratedKeys {
  readonly SECRET_KEY: string;
  readonly TOKEN_KEYS: string;
}

/**
 * The keys kept in `dataDir/keys.env`, made at the first start. The file is on disk before anything is sealed
 * with them: without it every connected account would be lost.
 * @throws StartError when the file is there and damaged; it is never overwritten.
 */
export async function loadGeneratedKeys(dataDir: string): Promise<GeneratedKeys> {
  const file = join(dataDir, 'keys.env');
  const text = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return createKeys(dataDir, file);
  await chmod(file, 0o600);
  const { SECRET_KEY, TOKEN_KEYS } = parseEnv(text);
  if (!SECRET_KEY || !TOKEN_KEYS)
    throw new StartError(
      `The file ${file} is damaged: bring it back from a backup, or delete it (every account must then be connected again).`,
    );
  return { SECRET_KEY, TOKEN_KEYS };
}

async function createKeys(dataDir: string, file: string): Promise<GeneratedKeys> {
  const keys = {
    SECRET_KEY: randomBytes(32).toString('base64url'),
    TOKEN_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  };
  const lines = [
    '# Made by `npm start`. They seal the stored X tokens: keep this file secret and in your backups.',
    ...Object.entries(keys).map(([name, value]) => `${name}=${value}`),
  ];
  await using handle = await open(`${file}.new`, 'w', 0o600);
  await handle.writeFile(`${lines.join('\n')}\n`);
  await handle.sync();
  await rename(`${file}.new`, file);
  await using folder = await open(dataDir);
  await folder.sync();
  return keys;
}
