import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A door in front of a server: closed, connections are refused as if nobody listened. */
export interface TcpGate extends AsyncDisposable {
  readonly url: string;
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Starts a door, open, in front of `target`. */
export async function startGate(target: string): Promise<TcpGate> {
  const { port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  let port = 0;
  const open = async () => {
    server = createServer((client) => {
      const other = connect(Number(targetPort), '127.0.0.1');
      for (const socket of [client, other]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          client.destroy();
          other.destroy();
        });
      }
      client.pipe(other).pipe(client);
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  };
  const close = async () => {
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    server = null;
  };
  await open();
  return { url: `http://127.0.0.1:${port}`, open, close, [Symbol.asyncDispose]: close };
}
