import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { unpackedRedis } from './unpack-redis.ts';

const run = promisify(execFile);

/** A Redis server program that can be started; `libraryPath` is set when its libraries were unpacked beside it. */
export interface RedisProgram {
  readonly file: string;
  readonly libraryPath?: string;
}

interface Search {
  /** Where programs are looked for; without it, the PATH of this process. */
  readonly path?: string;
  /** Where an unpacked server is kept between starts. */
  readonly cacheDir: string;
  /** Told in one sentence what takes time. */
  readonly say?: (line: string) => void;
}

/** No usable Redis: its message says what to install on this system. */
export class NoRedisError extends Error {
  constructor(reason: string) {
    super(`${reason} ${howToInstall(process.platform)}`);
    this.name = 'NoRedisError';
  }
}

/**
 * A Redis or Valkey of 7.0 or later: the installed one, else Debian's package unpacked into `cacheDir`.
 * @throws NoRedisError
 */
export async function findRedis({ path, cacheDir, say = () => {} }: Search): Promise<RedisProgram> {
  const old: string[] = [];
  for (const name of ['redis-server', 'valkey-server']) {
    const version = await versionOf({ file: name }, path);
    if (version && version.major >= 7)
      return { file: path === undefined ? name : await fullPath(name, path) };
    if (version) old.push(`${name} ${version.text}`);
  }
  const reason =
    old.length > 0
      ? `Redis 7.0 or later is needed and only ${old.join(', ')} is installed.`
      : 'No Redis is installed.';
  const unpacked = await unpackedRedis({ cacheDir, path, say: (line) => say(`${reason} ${line}`) });
  if ('failure' in unpacked) throw new NoRedisError(`${reason} ${unpacked.failure}`);
  const version = await versionOf(unpacked);
  if (!version || version.major < 7)
    throw new NoRedisError(`${reason} The one that Debian's package brings does not run here.`);
  return unpacked;
}

/** What the program says about itself, or null when it is not there or does not run. */
async function versionOf(
  program: RedisProgram,
  path?: string,
): Promise<{ major: number; text: string } | null> {
  try {
    const env = programEnvironment(program, path);
    const { stdout } = await run(program.file, ['--version'], { timeout: 10_000, ...(env && { env }) });
    const found = /v=((\d+)\.\d+(?:\.\d+)?)/.exec(stdout);
    return found?.[1] && found[2] ? { major: Number(found[2]), text: found[1] } : null;
  } catch {
    return null;
  }
}

async function fullPath(name: string, path: string): Promise<string> {
  const { stdout } = await run('/bin/sh', ['-c', 'command -v "$1"', 'sh', name], { env: { PATH: path } });
  return stdout.trim();
}

/** The environment to spawn the program with; undefined: that of this process. */
export function programEnvironment(program: RedisProgram, path?: string): Record<string, string> | undefined {
  if (program.libraryPath === undefined && path === undefined) return undefined;
  return {
    ...(path !== undefined && { PATH: path }),
    ...(program.libraryPath !== undefined && { LD_LIBRARY_PATH: program.libraryPath }),
  };
}

function howToInstall(platform: NodeJS.Platform): string {
  const install =
    platform === 'darwin'
      ? '`brew install redis`'
      : platform === 'win32'
        ? 'Redis in WSL (`sudo apt-get install redis-server`) and run this there'
        : '`sudo apt-get install redis-server` (Debian, Ubuntu), `sudo dnf install valkey` (Fedora) or `sudo apk add redis` (Alpine)';
  const verb = platform === 'win32' ? 'Install' : 'Install it with';
  return `${verb} ${install}, or start everything with \`docker compose up\`, or set REDIS_URL to a Redis that you have.`;
}
