import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket, connect as tcpConnect } from 'node:net';
import type { OpenConnection } from './guarded-agent.ts';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** A scripted media host on loopback, for tests: what it answers is up to `listener`. */
export async function startMediaHost(listener: Listener) {
  const server = createServer(listener);
  const port = await listen(server);
  const requests: IncomingMessage[] = [];
  server.on('request', (request) => requests.push(request));
  return {
    hostAndPort: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A listener that nobody may connect to: it counts who did. Tests only. */
export async function startCanary(
  host = '127.0.0.1',
  script: (socket: Socket) => void = (socket) => socket.end(),
) {
  let connects = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    connects += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    script(socket);
  });
  const port = await listen(server, host);
  return {
    port,
    get connects() {
      return connects;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Stands in for the public internet: a connection to any address ends at a loopback port and looks from inside as if
 * it had gone where it should. `remoteAddress` says otherwise where a test wants a lie. Tests only.
 */
export function openTo(port: number, remoteAddress?: string) {
  const opened: string[] = [];
  const open: OpenConnection = async (_target, addresses) => {
    const address = addresses[0]?.address ?? '';
    opened.push(address);
    const socket = tcpConnect(port, '127.0.0.1');
    await once(socket, 'connect');
    Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress ?? address });
    return socket;
  };
  return { open, opened };
}

async function listen(
  server: Server | ReturnType<typeof createTcpServer>,
  host = '127.0.0.1',
): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return address.port;
}
