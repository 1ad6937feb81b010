import { execFile } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type NotedServer, readServerNote } from '#libs/deployment/noted-server.ts';
import { connectRedis } from '#libs/redis/connect.ts';

/**
 * Stops the server of an earlier start that is still there: two on one folder would destroy its files.
 * Stops nothing else: the server must name this folder, or be a Redis on the noted port with the noted number.
 */
export async function stopLeftover(dir: string, say: (line: string) => void): Promise<void> {
  const server = await readServerNote(dir);
  if (server === null || !(await isServer(server))) return;
  say('Stopping the Redis that an earlier start left behind.');
  await askToStop(server, dir);
  // Alive and deaf after that long: frozen.
  for (let waitedMs = 0; (await isServer(server)) && waitedMs < 3000; waitedMs += 50) await sleep(50);
  if (await isServer(server)) process.kill(server.pid, 'SIGKILL');
  while (await isServer(server)) await sleep(50);
}

async function askToStop({ password, port }: NotedServer, dir: string): Promise<void> {
  try {
    await using redis = await connectRedis(`redis://:${password}@127.0.0.1:${port}`, 'fail-fast', {
      timeoutMs: 2000,
    });
    const [, served] = z.tuple([z.string(), z.string()]).parse(await redis.config('GET', 'dir'));
    if (served === (await realpath(dir))) await redis.shutdown('NOSAVE');
  } catch {
    // It is on its way out, or deaf: the caller watches its process.
  }
}

/** Whether the noted process is alive and still a Redis on the noted port, not one that got its number later. */
async function isServer({ pid, port }: NotedServer): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(async () => {
    const ps = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)]).catch(() => null);
    return ps?.stdout ?? '';
  });
  return /(redis|valkey)-server/.test(command) && command.includes(`:${port}`);
}
