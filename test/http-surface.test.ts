import { describe, expect, it } from 'vitest';
import { loadContract, operationsOf } from './openapi-contract.ts';
import { useOwnSystem } from './own-system.ts';
import { open, posting, securityHeaders, send as sendTo } from './raw-http.ts';

interface Problem {
  readonly code: string;
  readonly instance: string;
}

const system = await useOwnSystem({ workers: 0, environment: { PUBLIC_URL: 'https://posts.example.com' } });
const session = await system.connect();

const send = (bytes: string) => sendTo(system.url, bytes);
const bearer = () => `Authorization: Bearer ${session.accessToken}`;

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

  it('has one name of its host', async () => {
    for (const hosts of ['Host: x\r\nHost: y\r\n', ''])
      expect((await send(`GET /healthz HTTP/1.1\r\n${hosts}\r\n`)).status).toBe(400);
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
      const socket = open(system.url);
      const ended = new Promise((resolve) => socket.once('close', resolve).resume().once('end', resolve));
      const begun =
        index % 2 === 0
          ? 'POST /postTweet HTTP/1.1\r\nHost: x\r\nX-Slow: '
          : posting(session.accessToken, ['Content-Length: 1000'], '{"text":"');
      const written = new Promise<void>((resolve) => socket.write(begun, () => resolve()));
      return { socket, ended, written };
    });
    const firstEnd = Promise.race(slow.map(({ ended }) => ended)).then(() => 'a slow one has ended');
    try {
      await Promise.all(slow.map(({ written }) => written));
      for (let count = 0; count < 5; count++) {
        const answered = session.request('GET', '/me').then(({ status }) => status);
        expect(await Promise.race([answered, firstEnd])).toBe(200);
      }
      // Those whose headers never end are let go after ten seconds.
      await Promise.all(slow.filter((_, index) => index % 2 === 0).map(({ ended }) => ended));
    } finally {
      for (const { socket } of slow) socket.destroy();
    }
  });
});
