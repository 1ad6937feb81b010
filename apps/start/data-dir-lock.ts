import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from './start-error.ts';

/** How long to wait for a holder that is on its way out. */
const patienceMs = 2000;

/**
 * Holds a data folder for this process alone. The lock is a socket that its holder listens on: it cannot outlive
 * the holder as a file with a process number can (in containers every start has the same number).
 * @throws StartError when another process holds it.
 */
export async function lockDataDir(dataDir: string): Promise<AsyncDisposable> {
  // The operating system cuts longer socket paths off.
  const near = join(dataDir, 'start.lock');
  const far = join(tmpdir(), `post-to-x-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
  const server =
    Buffer.byteLength(near) > 100
      ? await listenOn(far, dataDir)
      : // Some mounted folders cannot hold sockets.
        await listenOn(near, dataDir).catch((error) =>
          error instanceof StartError ? Promise.reject(error) : listenOn(far, dataDir),
        );
  server.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

async function listenOn(path: string, dataDir: string): Promise<Server> {
  const patientUntil = performance.now() + patienceMs;
  for (;;)
    try {
      const server = createServer((socket) => socket.on('error', () => {}).end(String(process.pid)));
      server.listen(path);
      await once(server, 'listening');
      return server;
    } catch (error) {
      if (!isAddressInUse(error)) throw error;
      const holder = await askHolder(path);
      if (holder === null) await rm(path, { force: true });
      else if (performance.now() > patientUntil)
        throw new StartError(
          `Another \`npm start\` (process ${holder}) already runs on the data folder ${dataDir}: stop it first, or give this one another DATA_DIR and PORT.`,
        );
      else await sleep(100);
    }
}

/** The process that listens on the lock, or null when it is gone. */
async function askHolder(path: string): Promise<string | null> {
  const socket = connect(path);
  try {
    return await text(socket);
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
