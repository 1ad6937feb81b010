import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connectRedis } from '#libs/redis/connect.ts';
import { programEnvironment, type RedisProgram } from './find-redis.ts';

/** What makes a Redis keep every write that it has acknowledged; `libs/redis/durability.ts` checks the same. */
export const durableSettings = [
  ...['--appendonly', 'yes', '--appendfsync', 'always', '--no-appendfsync-on-rewrite', 'no'],
  ...['--maxmemory-policy', 'noeviction', '--save', ''],
] as const;

/** A Redis server of ours; disposing it stops it and waits for its end. */
export interface RedisProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly port: number;
  readonly dir: string;
  /** Settles when the process has ended, whatever ended it. */
  readonly ended: Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

interface RedisOptions {
  readonly program: RedisProgram;
  /** Where its files are; exists already. */
  readonly dir: string;
  /** A loopback port; without it a free one. */
  readonly port?: number;
  readonly password?: string;
  /** Further settings, in the form of the command line. */
  readonly args?: readonly string[];
}

/**
 * Starts a durable Redis on a loopback port and waits until it answers. It ends with this process, also when
 * this process is killed.
 * @throws Error with the last thing that the server said.
 */
export async function startRedisProcess(options: RedisOptions): Promise<RedisProcess> {
  if (options.port !== undefined) return startOn(options.port, options);
  for (let attempt = 1; ; attempt += 1)
    try {
      return await startOn(await freePort(), options);
    } catch (error) {
      // Somebody else may take the port between our look and the server's bind.
      if (attempt === 5 || !String(error).includes('Address already in use')) throw error;
    }
}

async function startOn(port: number, options: RedisOptions): Promise<RedisProcess> {
  const server = spawnServer(port, options);
  const said = collectLog(server);
  const ended = once(server, 'close').then(() => {});
  const failed = once(server, 'error').then(([error]) => Promise.reject(error));
  failed.catch(() => {});
  if (server.pid === undefined) await failed;
  const pid = server.pid ?? 0;
  const watchdog = startWatchdog(pid);
  // Its end first: the number of a process that is gone may become another one's.
  void ended.then(() => watchdog.kill('SIGKILL'));
  const kill = (signal: NodeJS.Signals) => void server.kill(signal);
  const stop = async () => {
    // A stopped process (SIGSTOP) does not see SIGTERM before it continues.
    kill('SIGCONT');
    kill('SIGTERM');
    const impatient = setTimeout(kill, 10_000, 'SIGKILL');
    await ended;
    clearTimeout(impatient);
  };
  const url = `redis://${options.password ? `:${options.password}@` : ''}127.0.0.1:${port}`;
  try {
    await Promise.race([answers(url, pid), ended.then(() => Promise.reject(new Error(said())))]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid, port, dir: options.dir, ended, kill, [Symbol.asyncDispose]: stop };
}

function spawnServer(port: number, { program, dir, password, args = [] }: RedisOptions): ChildProcess {
  const env = programEnvironment(program);
  const server = spawn(
    program.file,
    ['-', '--bind', '127.0.0.1', '--port', String(port), '--dir', dir, ...durableSettings, ...args],
    // A process group of its own: Ctrl-C in the terminal must not stop it before its users have stopped.
    { stdio: ['pipe', 'pipe', 'pipe'], detached: true, ...(env && { env }) },
  );
  // The password goes through stdin: command lines can be read by everybody on the machine.
  server.stdin?.on('error', () => {});
  server.stdin?.end(password ? `requirepass ${password}\n` : '\n');
  return server;
}

/** Kills the server when this process goes away without stopping it: its stdin ends then. */
function startWatchdog(pid: number): ChildProcess {
  const script = 'read -r _; kill -CONT "$1" 2>/dev/null; kill -TERM "$1" 2>/dev/null';
  const watchdog = spawn('/bin/sh', ['-c', script, 'redis-watchdog', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.on('error', () => {});
  watchdog.stdin?.on('error', () => {});
  watchdog.unref();
  return watchdog;
}

async function answers(url: string, pid: number): Promise<void> {
  // Reading back a large append-only file takes a while.
  await using redis = await connectRedis(url, 'fail-fast', { timeoutMs: 120_000 });
  // Where another Redis has the port, it is that one which answers, and ours is about to say so and end.
  if (!(await redis.info('server')).includes(`process_id:${pid}\r`)) await new Promise(() => {});
}

/** Reads what the server prints, so that its pipe never fills, and keeps the end of it. */
function collectLog(server: ChildProcess): () => string {
  let tail = '';
  for (const stream of [server.stdout, server.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
    });
  return () => tail.trim().split('\n').slice(-3).join('\n') || 'redis-server ended without a word';
}

/** A loopback port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
