import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { failure } from '../../test/failure.ts';
import { distrustTlsServers, startTlsServer, trustTlsServers } from '../../test/tls-server.ts';
import { XUnreachableError } from './errors.ts';
import { createAgent, exchange, type XRequest } from './request.ts';

beforeEach(trustTlsServers);
afterEach(distrustTlsServers);

/** Answers with the version of HTTP that it was asked in. */
const startX = () =>
  startTlsServer((request, response) => {
    request.resume().once('end', () => response.end(request.httpVersion));
  });

const post = ({ port }: { port: number }, more: Partial<XRequest> = {}) =>
  exchange({
    method: 'POST',
    url: new URL(`https://127.0.0.1:${port}/`),
    headers: {},
    body: '{}',
    timeoutMs: 5000,
    ...more,
  });

test('a request of its own connection speaks HTTP/1.1, and takes up the TLS session of the last one', async () => {
  await using x = await startX();
  for (let i = 0; i < 3; i++) {
    expect((await post(x)).body.toString()).toBe('1.1');
    const connection = x.connections[i] ?? expect.fail('it came over a connection of another request');
    if (!connection.closed) await once(connection, 'close');
  }
  expect(x.resumed).toEqual([false, true, true]);
});

test('shared connections speak HTTP/1.1, as many at a time as there are requests', async () => {
  await using x = await startX();
  const agent = createAgent();
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(x, { agent })));
  await agent.destroy();
  expect(answers.map(({ body }) => body.toString())).toEqual(Array(5).fill('1.1'));
  expect(x.connections).toHaveLength(5);
});

test('a certificate that nobody vouches for is proof that nothing was sent', async () => {
  distrustTlsServers();
  await using x = await startX();
  const error = await failure(post(x));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({
    sent: false,
    message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
  });
});

test('a handshake that breaks off is proof that nothing was sent', async () => {
  const server = createTcpServer((socket) => void socket.once('data', () => socket.destroy()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  expect(await failure(post(server.address() as AddressInfo))).toMatchObject({ sent: false });
  await once(server.close(), 'close');
});

test('a connection that breaks after the handshake leaves open whether it was sent', async () => {
  await using x = await startTlsServer((request) => request.socket.destroy());
  expect(await failure(post(x))).toMatchObject({ sent: true });
});
