import { once } from 'node:events';
import { createServer } from 'node:net';
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
