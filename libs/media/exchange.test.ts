import { describe, expect, it } from 'vitest';
import { createExchange } from './exchange.ts';
import { createMediaFetcher } from './fetch-media.ts';
import { createGuardedAgent, defaultTimeouts } from './guarded-agent.ts';
import { readHosts } from './media-url.ts';
import { startCanary, startMediaHost } from './test-media-host.ts';

const limits = { maxBytes: 1024 * 1024 };

describe('no address of a private network is connected to', () => {
  it.each([
    ...[
      'http://127.0.0.1:PORT/',
      'https://127.0.0.1:PORT/',
      'http://localhost:PORT/',
      'https://localhost:PORT/',
    ],
    ...['http://[::1]:PORT/', 'http://[::ffff:127.0.0.1]:PORT/', 'http://2130706433:PORT/', 'http://0:PORT/'],
    ...[
      'http://0177.0x0.0.1:PORT/',
      'http://127.1:PORT/',
      'http://①②⑦.⓪.⓪.①:PORT/',
      'http://127%2e0%2e0%2e1:PORT/',
    ],
    ...[
      'http://example.com@127.0.0.1:PORT/',
      'http://127.0.0.1:PORT\\@example.com/',
      'https://localhost.:PORT/',
    ],
    ...['file:///etc/passwd', 'http://0.0.0.0:PORT/', 'https://localtest.me:PORT/', 'http://[::]:PORT/'],
  ])('%s', async (url) => {
    await using canary = await startCanary('::');
    await using fetcher = createMediaFetcher({ trustedHosts: [], retryDelaysMs: [1] });
    await expect(
      fetcher.fetchDocument(url.replace('PORT', String(canary.port)), limits),
    ).rejects.toMatchObject({
      code: 'media_url_forbidden',
    });
    expect(canary.connects).toBe(0);
  });
});

describe('redirects', () => {
  const redirectTo = (location: (path: string) => string) =>
    startMediaHost((request, response) => {
      if (request.url === '/end') return void response.end('content');
      response.writeHead(302, { location: location(request.url ?? ''), 'set-cookie': 'a=b' }).end('moved');
    });

  it('are followed three times, with nothing carried along', async () => {
    await using host = await redirectTo(
      (path) => ({ '/1': '/2', '/2': './3?x#y', '/3?x': `//${host.hostAndPort}/end` })[path] ?? '/',
    );
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    expect((await fetcher.fetchDocument(`${host.url}/1`, limits)).body.toString()).toBe('content');
    expect(host.requests.map(({ url }) => url)).toEqual(['/1', '/2', '/3?x', '/end']);
    for (const { headers } of host.requests) {
      expect(headers.cookie).toBeUndefined();
      expect(headers.referer).toBeUndefined();
    }
  });

  it.each([
    ['UTF-8', Buffer.from('/café/写真.jpg?é'), '/caf%C3%A9/%E5%86%99%E7%9C%9F.jpg?%C3%A9'],
    ['Latin-1', Buffer.from('/café.jpg', 'latin1'), '/caf%E9.jpg'],
    ['percent-encoded', Buffer.from('/caf%C3%A9%2F.jpg'), '/caf%C3%A9%2F.jpg'],
  ])('lead to the very bytes that the host wrote: %s', async (_name, location, asked) => {
    await using host = await startMediaHost((request, response) => {
      if (request.url === asked) return void response.end('content');
      response.writeHead(302, { location: location.toString('latin1') }).end();
    });
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    expect((await fetcher.fetchDocument(`${host.url}/`, limits)).body.toString()).toBe('content');
    expect(host.requests.map(({ url }) => url)).toEqual(['/', asked]);
  });

  it('are not followed a fourth time', async () => {
    await using host = await redirectTo((path) => `${path}x`);
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    await expect(fetcher.fetchDocument(`${host.url}/`, limits)).rejects.toMatchObject({
      code: 'media_redirect',
    });
    expect(host.requests).toHaveLength(4);
  });

  it.each([
    ...[
      'http://127.0.0.1:PORT/',
      '//127.0.0.1:PORT/',
      'https://127.0.0.1:PORT/',
      'http://[::1]:PORT/',
      'http://localhost:PORT/',
    ],
    ...['http://2130706433:PORT/', 'http://[::ffff:7f00:1]:PORT/', 'http://user@127.0.0.1:PORT/'],
    ...['file:///etc/passwd', 'ftp://127.0.0.1:PORT/', 'javascript:1', 'data:,x', 'http://', '//'],
    ...['https://169.254.169.254/latest/meta-data/', 'https://[fd00:ec2::254]/', 'https://redis:PORT/'],
  ])('to %s are refused', async (location) => {
    await using canary = await startCanary('::');
    await using host = await redirectTo(() => location.replace('PORT', String(canary.port)));
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort], retryDelaysMs: [] });
    await expect(fetcher.fetchDocument(`${host.url}/`, limits)).rejects.toMatchObject({
      code: 'media_redirect',
    });
    expect([host.requests.length, canary.connects]).toEqual([1, 0]);
  });

  it('a Refresh header and a page that says so are no redirects', async () => {
    await using canary = await startCanary();
    const refresh = `0;url=http://127.0.0.1:${canary.port}/`;
    await using host = await startMediaHost((_request, response) => {
      response.writeHead(200, { refresh, 'content-type': 'text/html' });
      response.end(`<meta http-equiv="refresh" content="${refresh}">`);
    });
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    await fetcher.fetchDocument(host.url, limits);
    expect(canary.connects).toBe(0);
  });
});

describe('an exchange', () => {
  it('is given up at once also while it waits for a connection', async () => {
    await using host = await startMediaHost((_request, response) =>
      response.end(Buffer.alloc(limits.maxBytes)),
    );
    const rules = { trustedHosts: readHosts([host.hostAndPort]), ownHosts: readHosts([]) };
    const agent = createGuardedAgent({ ...rules, forbiddenAddresses: [], timeouts: defaultTimeouts });
    const exchange = createExchange(agent, rules, defaultTimeouts);
    const ask = (signal: AbortSignal) => exchange(host.url, limits.maxBytes, signal);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(new AbortController().signal)));
    const stop = new AbortController();
    const waiting = ask(stop.signal);
    const reason = new Error('canceled');
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    for (const answer of answers) answer.leave();
    await agent.destroy();
  });
});
