import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { testCertificate } from '../../test/certificate.ts';
import { failure } from '../../test/failure.ts';
import { XUnreachableError } from './errors.ts';
import { createAgent, exchange, type XRequest } from './request.ts';

const trusted = getCACertificates('default');
afterEach(() => setDefaultCACertificates(trusted));

/** Speaks HTTP/2 with whoever can, as X does, and answers with the version of HTTP that it was asked in. */
async function startX() {
  const connections: TLSSocket[] = [];
  const resumed: boolean[] = [];
  const server = createSecureServer({ ...testCertificate, allowHTTP1: true }, (request, response) => {
    request.resume().once('end', () => response.end(request.httpVersion));
  });
  server.on('secureConnection', (socket) => {
    connections.push(socket);
    resumed.push(socket.isSessionReused());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connections,
    /** Which of them took up a session of TLS. */
    resumed,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const post = (url: string, more: Partial<XRequest> = {}) =>
  exchange({ method: 'POST', url: new URL(url), headers: {}, body: '{}', timeoutMs: 5000, ...more });

test('a request of its own connection speaks HTTP/1.1, and takes up the TLS session of the last one', async () => {
  setDefaultCACertificates([...trusted, testCertificate.cert]);
  await using x = await startX();
  for (let i = 0; i < 3; i++) {
    expect((await post(x.url)).body.toString()).toBe('1.1');
    const connection = x.connections[i] ?? expect.fail('it came over a connection of another request');
    if (!connection.closed) await once(connection, 'close');
  }
  expect(x.resumed).toEqual([false, true, true]);
});

test('shared connections speak HTTP/1.1, as many at a time as there are requests', async () => {
  setDefaultCACertificates([...trusted, testCertificate.cert]);
  await using x = await startX();
  const agent = createAgent();
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(x.url, { agent })));
  await agent.destroy();
  expect(answers.map(({ body }) => body.toString())).toEqual(Array(5).fill('1.1'));
  expect(x.connections).toHaveLength(5);
});

test('a certificate that nobody vouches for is proof that nothing was sent', async () => {
  await using x = await startX();
  const error = await failure(post(x.url));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({
    sent: false,
    message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
  });
});

test('a handshake that breaks off is proof that nothing was sent', async () => {
  const server = createTcpServer((socket) => void socket.once('data', () => socket.destroy()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await failure(post(`https://127.0.0.1:${port}/`))).toMatchObject({ sent: false });
  await once(server.close(), 'close');
});

test('a connection that breaks after the handshake leaves open whether it was sent', async () => {
  setDefaultCACertificates([...trusted, testCertificate.cert]);
  await using x = await startX();
  const asked = failure(post(x.url, { body: 'x'.repeat(4 * 1024 * 1024) }));
  while (x.connections.length === 0) await new Promise((resolve) => setImmediate(resolve));
  x.connections[0]?.once('data', () => x.connections[0]?.destroy());
  expect(await asked).toMatchObject({ sent: true });
});
