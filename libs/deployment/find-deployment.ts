import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type Config, ConfigError, loadConfig } from '#libs/config/config.ts';
import { readServerNote } from './noted-server.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** The settings of a deployment, with the Redis and the keys that it runs on. */
export type Deployment = Config & { readonly redisUrl: string };

/**
 * What a command that works on a deployment needs to know of it: from the environment, or where that says nothing,
 * from what `npm start` left in DATA_DIR.
 * @throws ConfigError naming every variable that is wrong, or what is not to be found.
 */
export async function findDeployment(environment: Variables): Promise<Deployment> {
  const { dataDir } = loadConfig(environment, 'start');
  const given = (name: string) => environment[name] || undefined;
  const redisUrl = given('REDIS_URL') ?? (await embeddedRedisUrl(dataDir));
  const tokenKeys = given('TOKEN_KEYS') ?? (await generatedTokenKeys(dataDir));
  const problems = [
    ...(redisUrl
      ? []
      : [
          `REDIS_URL: is not set, and no \`npm start\` has run on the data folder ${dataDir}. Set REDIS_URL, or start the server first, with the same DATA_DIR.`,
        ]),
    ...(tokenKeys
      ? []
      : [
          `TOKEN_KEYS: is not set, and there is no keys.env in the data folder ${dataDir}. Set it as the server has it.`,
        ]),
  ];
  if (!redisUrl || !tokenKeys) throw new ConfigError(problems);
  const config = loadConfig({ ...environment, REDIS_URL: redisUrl, TOKEN_KEYS: tokenKeys }, 'worker');
  return { ...config, redisUrl };
}

async function embeddedRedisUrl(dataDir: string): Promise<string | undefined> {
  const note = await readServerNote(join(dataDir, 'redis'));
  return note ? `redis://:${note.password}@127.0.0.1:${note.port}` : undefined;
}

async function generatedTokenKeys(dataDir: string): Promise<string | undefined> {
  const text = await readFile(join(dataDir, 'keys.env'), 'utf8').catch(() => '');
  return parseEnv(text).TOKEN_KEYS || undefined;
}
