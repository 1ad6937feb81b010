import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { expect, test } from 'vitest';
import { XUnreachableError } from './errors.ts';
import { createAgent, exchange, type XRequest } from './request.ts';
import { patience } from './test-x.ts';

async function startServer(listener: RequestListener) {
  const server = createServer({ keepAliveTimeout: 0 }, listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

const post = (url: string, more: Partial<XRequest> = {}) =>
  exchange({ method: 'POST', url: new URL(url), headers: {}, body: '{}', timeoutMs: 5000, ...more });

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it answered'),
    (error: unknown) => error,
  );

async function readWhole(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

async function closedPort(): Promise<string> {
  await using server = await startServer(() => {});
  return server.url;
}

test('an answer comes back with its status, headers and body', async () => {
  await using server = await startServer(async (request, response) => {
    response.setHeader('x-got', await readWhole(request));
    response.writeHead(418).end('short and stout');
  });
  const answer = await post(server.url, { body: 'hello' });
  expect(answer.status).toBe(418);
  expect(answer.headers['x-got']).toBe('hello');
  expect(answer.body.toString()).toBe('short and stout');
  expect(answer.cut).toBeNull();
});

test('a refused connection is proof that nothing was sent', async () => {
  const error = await failure(post(await closedPort()));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({ sent: false });
});

test('a name that does not exist is proof that nothing was sent', async () => {
  expect(await failure(post('http://nowhere.invalid/'))).toMatchObject({ sent: false });
});

test('a failing TLS handshake is proof that nothing was sent', async () => {
  await using server = await startServer((_request, response) => response.end());
  expect(await failure(post(server.url.replace('http:', 'https:')))).toMatchObject({ sent: false });
});

test('a socket that is cut after the request arrived leaves the outcome open', async () => {
  await using server = await startServer((request) => request.socket.destroy());
  expect(await failure(post(server.url))).toMatchObject({ sent: true });
});

test('a socket that is cut as soon as it is open leaves the outcome open, if a byte was on its way', async () => {
  const server = createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await failure(post(`http://127.0.0.1:${port}/`))).toMatchObject({ sent: true });
  server.close();
});

test('silence ends after the timeout and leaves the outcome open', async () => {
  await using server = await startServer(() => {});
  const error = await failure(post(server.url, { timeoutMs: 100 }));
  expect(error).toMatchObject({ sent: true, message: 'X did not answer (No answer within 100 ms)' });
});

test('an answer that drips on past the timeout is cut, its status stays', async () => {
  await using server = await startServer((_request, response) => {
    response.writeHead(201).write('{"data":');
  });
  const answer = await post(server.url, { timeoutMs: 200 });
  expect(answer.status).toBe(201);
  expect(answer.body.toString()).toBe('{"data":');
  expect(answer.cut).toMatchObject({ message: 'No answer within 200 ms' });
});

test('an answer that breaks off keeps its status', async () => {
  await using server = await startServer((_request, response) => {
    response.writeHead(201, { 'content-length': '1000' }).write('{"data"', () => response.destroy());
  });
  const answer = await post(server.url);
  expect(answer.status).toBe(201);
  expect(answer.cut).toBeInstanceOf(Error);
});

test('no more than 1 MB of an answer is read', async () => {
  await using server = await startServer((_request, response) => {
    const pour = () => {
      while (response.write(Buffer.alloc(65536)));
    };
    response.on('drain', pour);
    pour();
  });
  const answer = await post(server.url);
  expect(answer.body.length).toBe(1024 * 1024);
  expect(answer.cut?.message).toBe('The answer is larger than 1 MB');
});

test('a redirect is an answer like any other and is not followed', async () => {
  const paths: (string | undefined)[] = [];
  await using server = await startServer((request, response) => {
    paths.push(request.url);
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  expect((await post(server.url)).status).toBe(307);
  expect(paths).toEqual(['/']);
});

test('a request without shared connections gets one of its own, which is closed with the answer', async () => {
  const closed: Promise<unknown>[] = [];
  await using server = await startServer((request, response) => {
    closed.push(once(request.socket, 'close'));
    response.writeHead(200, patience).end();
  });
  for (let i = 0; i < 3; i++) {
    await post(server.url);
    expect(closed.length).toBe(i + 1);
    await closed[i];
  }
});

test('requests with shared connections use them again', async () => {
  const ports = new Set<number | undefined>();
  await using server = await startServer((request, response) => {
    ports.add(request.socket.remotePort);
    readWhole(request).then(() => response.end());
  });
  const agent = createAgent();
  for (let i = 0; i < 10; i++) await post(server.url, { agent });
  await agent.destroy();
  expect(ports.size).toBeLessThan(5);
});

test('the evidence of one request is not mistaken for that of another', async () => {
  await using server = await startServer((request, response) => {
    readWhole(request).then(() => response.end());
  });
  const refused = await closedPort();
  const agent = createAgent();
  const errors = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      if (i % 2) return post(server.url, i % 4 === 1 ? { agent } : {}).then(() => null);
      return failure(post(refused, i % 4 === 0 ? { agent } : {}));
    }),
  );
  await agent.destroy();
  for (const error of errors.filter((each) => each !== null)) expect(error).toMatchObject({ sent: false });
});

test('giving up beforehand sends nothing', async () => {
  let requests = 0;
  await using server = await startServer((_request, response) => {
    requests++;
    response.end();
  });
  const signal = AbortSignal.abort(new Error('stopping'));
  expect(await failure(post(server.url, { signal }))).toBe(signal.reason);
  const error = await failure(post(server.url, { signal, onceSentAwaitAnswer: true }));
  expect(error).toMatchObject({ sent: false, cause: signal.reason });
  expect(requests).toBe(0);
});

test('giving up ends a request at once', async () => {
  const stop = new AbortController();
  await using server = await startServer(() => stop.abort(new Error('stopping')));
  expect(await failure(post(server.url, { signal: stop.signal }))).toBe(stop.signal.reason);
});

test('a request past its point of no return is not given up: its answer is awaited', async () => {
  const stop = new AbortController();
  await using server = await startServer((_request, response: ServerResponse) => {
    stop.abort(new Error('stopping'));
    setImmediate(() => response.writeHead(201).end('done'));
  });
  const answer = await post(server.url, { signal: stop.signal, onceSentAwaitAnswer: true });
  expect(answer.body.toString()).toBe('done');
});

test('a message names neither address nor token', async () => {
  const error = await failure(
    post(await closedPort(), { headers: { authorization: 'Bearer canary-token' } }),
  );
  expect(String(error)).toBe('XUnreachableError: X did not answer (ECONNREFUSED)');
});
