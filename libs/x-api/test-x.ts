import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createXApi, type XExchange } from './client.ts';

interface Seen {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** The end of the connection that it came over, which this side never brings about. */
  readonly closed: Promise<unknown>;
}
export type Answer = { status?: number; headers?: Record<string, string>; body?: unknown; cutAfter?: number };

/** Of a server that keeps connections open for ten minutes: whoever ends one before does so by itself. */
export const patience = { 'keep-alive': 'timeout=600' };

/** An X that gives the scripted answers in order, and a client of it. */
export async function startX(...answers: Answer[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const line = `${request.method} ${request.url}`;
    const body = Buffer.concat(chunks).toString('latin1');
    seen.push({ line, headers: request.headers, body, closed: once(request.socket, 'close') });
    const { status = 200, headers = {}, body: said = '', cutAfter } = answers.shift() ?? { status: 599 };
    const text = typeof said === 'string' ? said : JSON.stringify(said);
    response.writeHead(status, { 'content-type': 'application/json', ...patience, ...headers });
    if (cutAfter === undefined) response.end(text);
    else response.write(text.slice(0, cutAfter), () => response.destroy());
  });
  server.keepAliveTimeout = 0;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const apiUrl = `http://127.0.0.1:${port}`;
  const x = createXApi({ apiUrl, now: () => 1_000_000 });
  const exchanges: XExchange[] = [];
  const call = { token: 'token-1', observe: (exchange: XExchange) => exchanges.push(exchange) };
  return {
    x,
    seen,
    exchanges,
    call,
    async [Symbol.asyncDispose]() {
      await x[Symbol.asyncDispose]();
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
