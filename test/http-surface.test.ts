import { connect, type Socket } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadContract, operationsOf } from './openapi-contract.ts';
import { type Session, type System, startSystem } from './system.ts';

/** An answer as it stands on the wire. */
interface Raw {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}
interface Problem {
  readonly code: string;
  readonly instance: string;
}

let system: System;
let session: Session;
beforeAll(async () => {
  system = await startSystem({ workers: 0, environment: { PUBLIC_URL: 'https://posts.example.com' } });
  session = await system.connect();
});
afterAll(() => system[Symbol.asyncDispose]());

const bearer = () => `Authorization: Bearer ${session.accessToken}`;

function open(): Socket {
  const { hostname, port } = new URL(system.url);
  // Half-open: a client that has said all it will say still hears the answer.
  return connect({ port: Number(port), host: hostname, allowHalfOpen: true }).on('error', () => {});
}

/** Sends bytes as they are, and reads the first answer. */
async function send(bytes: string | Buffer, { end = false } = {}): Promise<Raw> {
  const socket = open();
  try {
    if (end) socket.end(bytes);
    else socket.write(bytes);
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      text += chunk;
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (text.includes('\r\n\r\n') && body.length >= length) break;
    }
    const [head = '', body = ''] = text.split('\r\n\r\n');
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body };
  } finally {
    socket.destroy();
  }
}

/** `POST /postTweet` with these lines instead of the usual length. */
const posting = (lines: readonly string[], body: string) =>
  [
    'POST /postTweet HTTP/1.1',
    'Host: posts.example.com',
    bearer(),
    'Content-Type: application/json',
    ...lines,
    '',
    body,
  ].join('\r\n');

/** The same body as any client sends it. */
async function post(body: string, headers: Record<string, string> = {}, path = '/postTweet') {
  const answer = await fetch(system.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${session.accessToken}`,
      'content-type': 'application/json',
      ...headers,
    },
    body,
  });
  return { status: answer.status, body: (await answer.json()) as Problem };
}

const jobCount = async () =>
  (await session.request<{ jobs: unknown[] }>('GET', '/jobs?limit=100')).body.jobs.length;

/** What this process has worked so far, the server in it included: what else the machine does is not in it. */
function cpuMs(): number {
  const { user, system: kernel } = process.cpuUsage();
  return (user + kernel) / 1000;
}

describe('a body', () => {
  it('of more than 1 MB is refused by its length, or as soon as it is too long', async () => {
    const big = `{"text":"${'x'.repeat(1024 * 1024)}"}`;
    expect(await post(big)).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
    const announced = await send(posting(['Content-Length: 5000000000', 'Expect: nothing'], ''));
    expect(announced.status).toBe(413);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const endless = await send(posting(['Transfer-Encoding: chunked'], chunk.repeat(20)));
    expect(endless.status).toBe(413);
  });

  it('that is compressed, or no JSON by its type, is refused', async () => {
    expect(await post('{}', { 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
      body: { code: 'unsupported_media_type' },
    });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])
      expect((await post('{"text":"a"}', { 'content-type': type })).status).toBe(415);
  });

  it('with two keys is refused, whatever they are', async () => {
    const body = '{"text":"Two keys"}';
    const { status, body: answered } = await send(
      posting([`Content-Length: ${body.length}`, 'Idempotency-Key: a', 'Idempotency-Key: b'], body),
    );
    expect(status).toBe(422);
    expect(JSON.parse(answered).errors).toEqual([{ field: 'Idempotency-Key', message: 'Must stand once.' }]);
  });

  it('that is shorter than announced is a 400', async () => {
    const cut = await send(posting(['Content-Length: 100'], '{"text":"cut"}'), { end: true });
    expect(cut.status).toBe(400);
  });

  it.each([
    ['a name that stands twice', '{"text":"a","text":"b"}'],
    ['__proto__', '{"text":"a","__proto__":{"admin":true}}'],
    ['constructor', '{"text":"a","constructor":{"prototype":{"admin":true}}}'],
    ['nesting of 10,000 levels', `{"text":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['a number beyond all numbers', '{"text":"a","wait_seconds":1e309}'],
    ['NUL', '{"text":"a\\u0000b"}'],
    ['half a surrogate pair', '{"text":"a\\ud83d"}'],
    ['half a surrogate pair in a thread', '{"text":"a","thread":[{"text":"\\udc4b"}]}'],
    ['an array', '[]'],
    ['a number', '7'],
    ['null', 'null'],
    ['nothing', ''],
    ['wrong types', '{"text":["a"],"poll":"yes","thread":{},"media_ids":7,"made_with_ai":"true"}'],
    ['a byte order mark alone', '\ufeff'],
  ])('with %s is a 400', async (_, body) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });

  it('that is not UTF-8 is a 400', async () => {
    const bytes = Buffer.concat([
      Buffer.from(posting(['Content-Length: 12'], '{"text":"')),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ]);
    expect((await send(bytes)).status).toBe(400);
  });

  it('with 50 kB of anything in any field is judged at once', async () => {
    const hostile = ['a', '@', '$', '.', ' ', 'a.', '👨‍', 'http://', '((', '漢', '\t', 'é'].map((part) =>
      part.repeat(50_000 / part.length),
    );
    for (const text of hostile) {
      const at = cpuMs();
      const body = { text, media_url: text, alt_texts: [text], publish_at: text, reply_to_tweet_id: text };
      expect([400, 422]).toContain((await post(JSON.stringify(body))).status);
      expect(cpuMs() - at, text.slice(0, 10)).toBeLessThan(1500);
    }
  });

  it('with a text of nearly 1 MB is refused without being weighed', async () => {
    for (const part of ['👨‍', '漢.', ' $abc']) {
      const text = part.repeat(900_000 / Buffer.byteLength(part));
      for (const path of ['/postTweet', '/validateTweet']) {
        const at = cpuMs();
        const { status, body } = await post(JSON.stringify({ text }), {}, path);
        expect(cpuMs() - at, part).toBeLessThan(1000);
        expect(JSON.stringify(body)).toContain('The text is too long');
        expect([200, 422]).toContain(status);
      }
    }
  });
});

describe('what is no HTTP', () => {
  it.each([
    ['headers of more than 16 kB', 431, () => posting([`X-Big: ${'x'.repeat(17_000)}`], '')],
    ['two lengths', 400, () => posting(['Content-Length: 2', 'Content-Length: 3'], '{}')],
    ['a length and chunks', 400, () => posting(['Content-Length: 2', 'Transfer-Encoding: chunked'], '{}')],
    ['chunks that are not the last encoding', 400, () => posting(['Transfer-Encoding: chunked, gzip'], '{}')],
    ['a folded header', 400, () => posting(['X-Folded: a', ' b', 'Content-Length: 2'], '{}')],
    ['a bare line feed', 400, () => posting(['X-A: b\nX-B: c', 'Content-Length: 2'], '{}')],
    ['a space before the colon', 400, () => posting(['Content-Length : 2'], '{}')],
    ['no Host', 400, () => 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['noise', 400, () => '\x16\x03\x01\x02\x00\r\n\r\n'],
  ])('is refused: %s', async (_, status, request) => {
    const before = await jobCount();
    const answer = await send(request());
    expect(answer.status).toBe(status);
    expect(answer.body).not.toMatch(/ at .*\.(js|ts)|node:internal/);
    expect(await jobCount()).toBe(before);
  });

  it('is answered with the headers of every other refusal', async () => {
    for (const request of [
      posting(['Content-Length: 2', 'Content-Length: 3'], '{}'),
      'GET /healthz HTTP/1.1\r\n\r\n',
    ]) {
      const { head, body } = await send(request);
      for (const line of securityHeaders) expect(head).toMatch(line);
      expect(JSON.parse(body)).toMatchObject({ code: 'bad_request', status: 400 });
    }
    expect((await send('GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  it('may expect what nobody knows, and is answered as without it', async () => {
    const { status, head } = await send('GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: foo\r\n\r\n');
    expect(status).toBe(200);
    for (const line of securityHeaders) expect(head).toMatch(line);
  });
});

const securityHeaders = [
  /^strict-transport-security: max-age=\d{7,}/im,
  /^x-content-type-options: nosniff/im,
  /^content-security-policy: .*default-src 'none'/im,
  /^x-frame-options: deny/im,
  /^referrer-policy: no-referrer/im,
];

describe('an answer', () => {
  const written = (answer: Response) =>
    [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');

  it('has the headers of a careful server at every address, refusals included, and none of CORS', async () => {
    const places = operationsOf(loadContract('https://posts.example.com')).map(({ path, method }) => ({
      path: path.replace(/\{\w+\}/g, 'unknown'),
      method: method.toUpperCase(),
    }));
    const others = ['/', '/nothing', '/jobs/%zz', '/problems/expired', '/mcp'];
    for (const { path, method } of [...places, ...others.map((other) => ({ path: other, method: 'GET' }))]) {
      const answer = await fetch(system.url + path, {
        method,
        redirect: 'manual',
        headers: { origin: 'https://evil.example' },
      });
      const head = written(answer);
      for (const line of securityHeaders) expect(head, `${method} ${path}`).toMatch(line);
      expect(head, `${method} ${path}`).not.toMatch(/^access-control-/m);
      expect(head).not.toMatch(/^(x-powered-by|server):/m);
      expect(answer.status, `${method} ${path}`).not.toBe(500);
      expect(await answer.text()).not.toMatch(/ at .*\.(js|ts):|node_modules|redis:|\/tmp\//);
    }
  });

  it('to a preflight of another site allows it nothing', async () => {
    const answer = await fetch(`${system.url}/postTweet`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(written(answer)).not.toMatch(/^access-control-/m);
  });

  it('says the same of a job of another account and of one that never was', async () => {
    const other = await system.connect('sandbox_ben');
    const { body: own } = await session.request('POST', '/postTweet', { text: 'Of Ada' });
    expect(own.job_id).toMatch(/^[0-9a-f]{32}$/);
    const ask = async (jobId: string) => {
      const { status, body } = await other.request<Problem>('GET', `/jobs/${jobId}`);
      return { status, body: { ...body, instance: '' } };
    };
    const foreign = await ask(own.job_id);
    expect(foreign.status).toBe(404);
    expect(foreign).toEqual(await ask('0'.repeat(32)));
    expect(foreign).toEqual(await ask('guess'));
  });

  it('carries nothing of the request into its headers', async () => {
    for (const path of [
      '/startAuth?return_to=/%0d%0aX-Injected:%201',
      '/jobs/a%0d%0aX-Injected:%201',
      '/callback?state=%0d%0aX-Injected:%201',
      '/oauth/authorize?client_id=%0d%0aX-Injected:%201',
    ]) {
      const answer = await fetch(system.url + path, { redirect: 'manual', headers: { accept: 'text/html' } });
      expect(answer.headers.get('x-injected')).toBeNull();
      expect(answer.status).toBeLessThan(500);
    }
  });
});

describe('an address', () => {
  it.each([
    ['//jobs/1', 404],
    ['/jobs/..%2fadmin', 404],
    ['/jobs/%2e%2e%2fme', 404],
    ['/jobs;x=1/1', 404],
    ['/jobs/a%5cb', 404],
    ['/jobs/a%00b', 404],
    ['/jobs/%zz', 400],
    ['/jobs/%ff', 400],
    ['/jobs?cursor=%zz', 400],
  ])('that programs may read differently is nobody’s: %s', async (path, status) => {
    const { head, status: answered } = await send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${bearer()}\r\n\r\n`);
    expect([path, answered]).toEqual([path, status]);
    expect(head).toMatch(/application\/problem\+json/);
  });

  it('takes its own methods alone, and no header changes that', async () => {
    for (const method of ['TRACE', 'PUT', 'PATCH', 'PROPFIND']) {
      const { status, body } = await send(`${method} /postTweet HTTP/1.1\r\nHost: x\r\n${bearer()}\r\n\r\n`);
      expect([method, status]).toEqual([method, 405]);
      expect(body).not.toContain(session.accessToken);
    }
    const { status, body } = await session.request<Problem>('GET', '/me', undefined, {
      'x-http-method-override': 'DELETE',
      'x-method-override': 'DELETE',
    });
    expect([status, 'account' in body]).toEqual([200, true]);
  });

  it('names the methods that it takes to whoever tries another', async () => {
    const taken = new Map<string, string[]>();
    for (const { path, method } of operationsOf(loadContract('https://posts.example.com')))
      taken.set(path, [...(taken.get(path) ?? []), method.toUpperCase()]);
    taken.set('/sign-out', ['POST']).set('/privacy', ['GET', 'HEAD']).delete('/oauth/register');
    for (const [path, methods] of taken)
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const url = system.url + path.replace(/\{\w+\}/g, 'unknown');
        const answer = await fetch(url, { method, redirect: 'manual' });
        if (answer.status !== 405) continue;
        const allowed = answer.headers.get('allow')?.split(', ');
        expect(allowed, `${method} ${path}`).toEqual(expect.arrayContaining(methods));
        expect(allowed, `${method} ${path}`).not.toContain(method);
      }
    for (const [method, path] of [
      'PUT /postTweet',
      'GET /postTweet',
      'DELETE /healthz',
      'DELETE /jobs/1',
    ].map((line) => line.split(' ')))
      expect((await fetch(`${system.url}${path}`, { method: method ?? '' })).status).toBe(405);
    expect((await fetch(`${system.url}/nothing`, { method: 'PATCH' })).status).toBe(404);
  });

  it('of a problem is told in full on the page about problems', async () => {
    const page = await (await fetch(`${system.url}/problems`, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain('https://posts.example.com/problems/');
    expect(page).not.toContain('PUBLIC_URL');
  });

  it('that lists jobs leads a browser to the start page, which shows them', async () => {
    const ask = (headers: Record<string, string>) =>
      fetch(`${system.url}/jobs`, { headers: { accept: 'text/html', ...headers }, redirect: 'manual' });
    const led = await ask({});
    expect([led.status, led.headers.get('location')]).toEqual([303, '/']);
    expect((await ask({ authorization: `Bearer ${session.accessToken}` })).status).toBe(200);
  });

  it('needs the token in its header, and in no other place', async () => {
    const elsewhere = await fetch(`${system.url}/me?access_token=${session.accessToken}`);
    expect(elsewhere.status).toBe(401);
    expect(elsewhere.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });
});

describe('callers', () => {
  it('without a token are counted by their address, whatever they say of themselves', async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 7; round++) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, count) =>
          fetch(`${system.url}/me`, {
            headers: { 'x-forwarded-for': `203.0.113.${round * 30 + (count % 30)}` },
          }),
        ),
      );
      for (const answer of answers) {
        statuses.add(answer.status);
        if (answer.status !== 429) continue;
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(await answer.json()).toMatchObject({ code: 'too_many_requests' });
      }
    }
    expect([...statuses].toSorted()).toEqual([401, 429]);
    expect((await session.request('GET', '/me')).status).toBe(200);
  });

  it('that are slow hold up nobody, and are not waited for', async () => {
    const slow = Array.from({ length: 400 }, (_, index) => {
      const socket = open();
      const ended = new Promise((resolve) => socket.once('close', resolve).resume().once('end', resolve));
      if (index % 2 === 0) socket.write('POST /postTweet HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      else socket.write(posting(['Content-Length: 1000'], '{"text":"'));
      return { socket, ended };
    });
    try {
      await pass(200);
      for (let count = 0; count < 5; count++) {
        const at = performance.now();
        expect((await session.request('GET', '/me')).status).toBe(200);
        expect(performance.now() - at).toBeLessThan(5000);
      }
      // Those whose headers never end are let go after ten seconds.
      await Promise.all(slow.filter((_, index) => index % 2 === 0).map(({ ended }) => ended));
    } finally {
      for (const { socket } of slow) socket.destroy();
    }
  });
});
