import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { StartError } from './start-error.ts';

/**
 * Finds out early whether the API can listen.
 * @throws StartError that says what to do when it cannot.
 */
export async function checkPort(host: string, port: number): Promise<void> {
  const failure = await tryPort(host, port);
  if (failure === null) return;
  if (failure === 'EADDRINUSE') {
    const airPlay = process.platform === 'darwin' && port === 5000 ? " (on a Mac it may be AirPlay's)" : '';
    throw new StartError(
      `Port ${port} is taken by another program${airPlay}: stop that one, or choose another port with \`PORT=5050 npm start\` (PORT=0 takes any free one).`,
    );
  }
  if (failure === 'EACCES')
    throw new StartError(
      `Port ${port} may only be used by the system's administrator: choose one above 1023 with PORT.`,
    );
  throw new StartError(
    `This machine cannot listen on ${host} (${failure}): HOST must name an address of it.`,
  );
}

/**
 * The port to listen on. Any free one (0) means the one of the start before when that is still free: tokens and
 * links that were handed out name it.
 */
export async function choosePort(port: number, dataDir: string): Promise<number> {
  if (port !== 0) return port;
  const earlier = Number(await readFile(join(dataDir, 'port'), 'utf8').catch(() => 0));
  return Number.isInteger(earlier) && earlier > 0 && (await isPortFree(earlier)) ? earlier : 0;
}

/** Keeps the port that was taken for the next start. */
export async function rememberPort(port: number, dataDir: string): Promise<void> {
  await writeFile(join(dataDir, 'port'), String(port));
}

/** Whether nobody listens on this loopback port. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort('127.0.0.1', port)) === null;
}

async function tryPort(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
