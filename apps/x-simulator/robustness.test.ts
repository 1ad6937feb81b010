import { request } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

let simulator: Simulator;
let token: string;

beforeAll(async () => {
  simulator = await startSimulator({ rateLimits: {} });
  token = simulator.signIn().access_token;
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
});

/** Sends bytes to a path exactly as given; resolves to the status. */
function send(method: string, path: string, body: Buffer, contentType: string): Promise<number> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': contentType,
    'content-length': body.length,
  };
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(simulator.url);
    request({ hostname, port, path, method, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end(body);
  });
}

const paths = [
  '/2/tweets', '/2/media/upload', '/2/media/upload/initialize', '/2/media/upload/1/append', '/2/media/metadata',
  '/2/media/upload/1/finalize', '/2/oauth2/token', '/2/oauth2/revoke', '/i/oauth2/authorize', '/_simulator/faults',
  '/_simulator/settings', '/_simulator/tokens', '/_simulator/disconnect',
]; // biome-ignore format: one list
const types = [
  'application/json',
  'multipart/form-data; boundary=b',
  'application/x-www-form-urlencoded',
  'text/plain',
  '',
];

test('no body makes it stumble', async () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((json) => Buffer.from(json)),
    fc
      .string()
      .map((text) =>
        Buffer.from(`--b\r\ncontent-disposition: form-data; name="media"\r\n\r\n${text}\r\n--b--`),
      ),
  );
  const tried = fc.asyncProperty(
    fc.constantFrom(...paths),
    fc.constantFrom(...types),
    body,
    async (path, type, bytes) => {
      expect(await send('POST', path, bytes, type)).toBeLessThan(500);
    },
  );
  await fc.assert(tried, { numRuns: 400 });
  expect(simulator.state.bugs).toEqual([]);
});

test.each([
  '/2/tweets/%E0%A4%A',
  '/2/tweets/..%2f..%2fetc',
  '//2/tweets/1',
  '/media/%E0%A4%A',
  '/media/../../etc/passwd',
  '/2/users/me?user.fields=%E0%A4%A',
  '/2/media/upload?media_id=__proto__&command=STATUS',
  '/i/oauth2/authorize?redirect_uri=%00&client_id=__proto__&response_type=code',
  '/2/users/1/tweets?__proto__=1',
  '/_simulator/faults/__proto__/reached',
])('GET %s is answered, not stumbled over', async (path) => {
  expect(await send('GET', path, Buffer.alloc(0), '')).toBeLessThan(500);
  expect(simulator.state.bugs).toEqual([]);
});

test('deep, odd and hostile JSON is refused', async () => {
  const json = 'application/json';
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  for (const body of [
    deep,
    `{"text":${deep}}`,
    '{"__proto__":{"text":"x"}}',
    '{"text":"\\ud800"',
    '{"text":1e309}',
  ])
    expect(await send('POST', '/2/tweets', Buffer.from(body), json)).toBe(400);
  const surrogate = await createRawClient(simulator.url, token).post('/2/tweets', {
    text: 'lone \ud800 one',
  });
  expect(surrogate.status).toBeLessThan(500);
  expect(simulator.state.bugs).toEqual([]);
});
