import { describe, expect, it } from 'vitest';
import { createMediaFetcher, type MediaFetcherOptions } from './fetch-media.ts';
import { pinnedLookup, type ResolvedAddress } from './guarded-agent.ts';
import { openTo, startCanary, startMediaHost } from './test-media-host.ts';

const limits = { maxBytes: 1024 * 1024 };
const publicAddress = { address: '93.184.216.34', family: 4 };

/** A fetcher with no exemption whose network is ours: names resolve as `answers` says, connections end at `port`. */
async function setUp(
  answers: readonly (readonly ResolvedAddress[])[],
  options: Partial<MediaFetcherOptions> = {},
) {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await startMediaHost((_request, response) => response.end('content')));
  const { open, opened } = openTo(host.port);
  let asked = 0;
  const fetcher = stack.use(
    createMediaFetcher({
      trustedHosts: [],
      resolve: async () => {
        const answer = answers[Math.min(asked, answers.length - 1)];
        asked += 1;
        if (!answer) throw new Error('ENOTFOUND');
        return answer;
      },
      connect: open,
      retryDelaysMs: [1, 1],
      ...options,
    }),
  );
  return {
    host,
    fetcher,
    opened,
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('the guard', () => {
  it('lets a public host through, connected to the address that was judged', async () => {
    await using t = await setUp([[publicAddress]]);
    expect((await t.fetcher.fetchDocument('https://files.example.com/a', limits)).body.toString()).toBe(
      'content',
    );
    expect(t.opened).toEqual([publicAddress.address]);
    expect(t.host.requests[0]?.headers.host).toBe('files.example.com');
  });

  it('lets a public literal through', async () => {
    await using t = await setUp([]);
    await t.fetcher.fetchDocument('https://93.184.216.34/a', limits);
    await t.fetcher.fetchDocument('https://[2606:4700:4700::1111]/a', limits);
    expect(t.opened).toEqual(['93.184.216.34', '2606:4700:4700::1111']);
    expect(t.asked).toBe(0);
  });

  it.each([
    ['a private address', [{ address: '10.0.0.1', family: 4 }]],
    ['loopback', [{ address: '::1', family: 6 }]],
    ['a mapped loopback', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    ['cloud metadata', [{ address: '169.254.169.254', family: 4 }]],
    ['public and private addresses', [publicAddress, { address: '192.168.0.1', family: 4 }]],
    ['private and public addresses', [{ address: 'fd00:ec2::254', family: 6 }, publicAddress]],
    ['nothing', []],
    ['something that is no address', [{ address: 'redis', family: 4 }]],
  ])('connects to nothing when a name stands for %s', async (_name, answer) => {
    await using t = await setUp([answer]);
    await expect(t.fetcher.fetchDocument('https://files.example.com/', limits)).rejects.toMatchObject({
      code: 'media_url_forbidden',
    });
    expect(t.opened).toEqual([]);
  });

  it('judges again what it is connected to', async () => {
    await using host = await startMediaHost((_request, response) => response.end('secret'));
    const { open } = openTo(host.port, '127.0.0.1');
    await using t = await setUp([[publicAddress]], { connect: open });
    await expect(t.fetcher.fetchDocument('https://files.example.com/', limits)).rejects.toMatchObject({
      code: 'media_url_forbidden',
    });
    expect(host.requests).toHaveLength(0);
  });

  it('is not fooled by a name that changes its address', async () => {
    await using canary = await startCanary();
    const rebound = openTo(canary.port);
    await using t = await setUp([[publicAddress], [{ address: '127.0.0.1', family: 4 }]], {
      connect: async (target, addresses) => {
        // Gone before the request: the next try must resolve and judge anew.
        if (t.asked === 1) throw new Error('ECONNRESET');
        return await rebound.open(target, addresses);
      },
    });
    await expect(t.fetcher.fetchDocument('https://files.example.com/', limits)).rejects.toMatchObject({
      code: 'media_url_forbidden',
    });
    expect([t.asked, canary.connects]).toEqual([3, 0]);
  });

  it('refuses what the operator forbids', async () => {
    await using t = await setUp([[publicAddress]], { forbiddenAddresses: ['93.184.216.0/24'] });
    for (const url of ['https://files.example.com/', 'https://93.184.216.34/'])
      await expect(t.fetcher.fetchDocument(url, limits), url).rejects.toMatchObject({
        code: 'media_url_forbidden',
      });
    expect(t.opened).toEqual([]);
  });

  it('refuses the public addresses of this machine itself, in every spelling and as they are now', async () => {
    let own: readonly string[] = [];
    await using t = await setUp([[{ address: '2606:4700:4700::7', family: 6 }]], { ownAddresses: () => own });
    await t.fetcher.fetchDocument('https://files.example.com/', limits);
    expect(t.opened).toEqual(['2606:4700:4700::7']);
    own = ['127.0.0.1', '93.184.216.34', '2606:4700:4700:0:0:0:0:7'];
    for (const url of [
      'https://other.example.com/',
      'https://93.184.216.34/',
      'https://[::ffff:93.184.216.34]/',
      'https://[2606:4700:4700::7]/',
    ])
      await expect(t.fetcher.fetchDocument(url, limits), url).rejects.toMatchObject({
        code: 'media_url_forbidden',
      });
    expect(t.opened).toHaveLength(1);
    await t.fetcher.fetchDocument('https://93.184.216.35/', limits);
    expect(t.opened.at(-1)).toBe('93.184.216.35');
  });

  it('gives up on a name that takes too long to resolve', async () => {
    await using t = await setUp([], { resolve: () => new Promise(() => {}), timeouts: { resolveMs: 30 } });
    await expect(t.fetcher.fetchDocument('https://files.example.com/', limits)).rejects.toMatchObject({
      code: 'media_url_forbidden',
    });
  });

  it('does not go through a proxy that the environment names', async () => {
    await using proxy = await startCanary();
    const before = { ...process.env };
    Object.assign(process.env, {
      NODE_USE_ENV_PROXY: '1',
      HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
      HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
    });
    try {
      await using t = await setUp([[publicAddress]]);
      await t.fetcher.fetchDocument('https://files.example.com/', limits);
    } finally {
      process.env = before;
    }
    expect(proxy.connects).toBe(0);
  });
});

describe('forbidden and unreachable', () => {
  it('look the same from outside', async () => {
    const refused = {
      trustedHosts: [],
      retryDelaysMs: [40, 40],
      connect: async () => {
        throw new Error('ECONNREFUSED');
      },
    };
    const outcome = async (answer: readonly ResolvedAddress[]) => {
      await using t = await setUp([answer], refused);
      const startedAt = performance.now();
      const problem: unknown = await t.fetcher
        .fetchDocument('https://files.example.com/', limits)
        .catch((error) => error);
      const { code, detail, kind } = Object(problem);
      return { seen: { code, detail, kind }, durationMs: performance.now() - startedAt };
    };
    const forbidden = await outcome([{ address: '10.0.0.1', family: 4 }]);
    const unreachable = await outcome([publicAddress]);
    const unknown = await outcome([]);
    expect(forbidden.seen).toEqual(unreachable.seen);
    expect(forbidden.seen).toEqual(unknown.seen);
    expect(forbidden.seen.detail).not.toMatch(/\d+\.\d+/);
    for (const { durationMs } of [forbidden, unreachable, unknown]) expect(durationMs).toBeGreaterThan(70);
  });
});

describe('pinnedLookup', () => {
  it('answers for one address and for all, never for another name', () => {
    const lookup = pinnedLookup([publicAddress, { address: '2606:4700::1', family: 6 }]);
    const answers: unknown[] = [];
    lookup('127.0.0.1.nip.io', {}, (...answer) => answers.push(answer));
    lookup('other.example', { all: true }, (...answer) => answers.push(answer));
    expect(answers).toEqual([
      [null, publicAddress.address, 4],
      [null, [publicAddress, { address: '2606:4700::1', family: 6 }]],
    ]);
  });
});
