import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMediaUrl, readHosts } from './media-url.ts';

const rules = {
  trustedHosts: readHosts([
    'minio:9000',
    '10.0.0.5:443',
    '[fd00::5]:8080',
    'store.lan:80',
    'bücher.local:443',
  ]),
  ownHosts: readHosts(['post.example.com', 'bot.example.org:8443']),
};
const parse = (url: string) => parseMediaUrl(url, rules);

describe('parseMediaUrl', () => {
  it.each([
    'https://example.com/a.jpg',
    'https://files.example.com:443/a.jpg?sig=1#x',
    'HTTPS://EXAMPLE.com/a b.jpg',
    'https://93.184.216.34/a.jpg',
    'https://[2606:4700:4700::1111]/',
    'https://bücher.example/ä.png',
  ])('takes %s', (url) => expect(parse(url)).toBeInstanceOf(URL));

  it.each([
    ...[
      '',
      'example.com/a.jpg',
      'http://example.com/',
      'ftp://example.com/',
      'file:///etc/passwd',
      'data:,x',
    ],
    ...['gopher://example.com/', 'https:///', 'https://', 'blob:https://example.com/1'],
    ...['https://example.com:8443/', 'https://example.com:80/', 'https://example.com:6379/'],
    ...['https://user@example.com/', 'https://user:pass@example.com/', 'https://example.com@127.0.0.1/'],
    ...['https://127.0.0.1\\@example.com/', 'https://redis/', 'https://localhost/', 'https://localhost./'],
    ...['https://example.com./', 'https://a.localhost/', 'https://a.local/', 'https://vault.internal/'],
    ...[
      'https://a.localdomain/',
      'https://a.home.arpa/',
      'https://a.lan/',
      'https://a.corp/',
      'https://a.home/',
    ],
    ...['https://a.intranet/', 'https://a.onion/', 'https://A.LOCAL/', 'https://home.arpa/'],
    ...[
      'https://127.0.0.1/',
      'https://2130706433/',
      'https://0177.0x0.0.1/',
      'https://10.1/',
      'https://127.1/',
    ],
    ...['https://①②⑦.⓪.⓪.①/', 'https://127%2e0%2e0%2e1/', 'https://127。0。0。1/', 'https://[::1]/'],
    ...[
      'https://[::ffff:127.0.0.1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://[fe80::1]/',
      'https://[fe80::1%25eth0]/',
    ],
    ...[
      'https://169.254.169.254/latest/meta-data',
      'https://[fd00:ec2::254]/',
      'https://0/',
      'https://100.64.0.1/',
    ],
    ...[
      'https://example.com/\r\nX-Injected: 1',
      'https://example.com/\tx',
      'https://exa\nmple.com/',
      'https://example.com/\u0000',
    ],
    `https://example.com/${'a'.repeat(2048)}`,
  ])('refuses %j', (url) => expect(parse(url)).toBeNull());

  it('refuses this server itself', () => {
    expect(parse('https://post.example.com/media')).toBeNull();
    expect(parse('https://POST.example.com/')).toBeNull();
    expect(parse('https://bot.example.org/')).toBeInstanceOf(URL);
  });

  it('exempts exactly the host and port that the operator names', () => {
    for (const url of [
      'http://minio:9000/a',
      'https://minio:9000/a',
      'https://10.0.0.5/a',
      'http://[fd00:0::5]:8080/',
      'http://store.lan/',
      'https://bücher.local/',
    ])
      expect(parse(url), url).toBeInstanceOf(URL);
    for (const url of [
      'http://minio/a',
      'http://minio:9001/a',
      'http://10.0.0.5/',
      'http://10.0.0.5:8443/',
      'https://store.lan/',
      'http://minio.:9000/',
      'http://u@minio:9000/',
      'ftp://minio:9000/',
    ])
      expect(parse(url), url).toBeNull();
  });

  it('an exemption does not reach this server', () => {
    const own = {
      trustedHosts: readHosts(['127.0.0.1:5000', '127.0.0.1:9000']),
      ownHosts: readHosts(['127.0.0.1:5000']),
    };
    expect(parseMediaUrl('http://127.0.0.1:5000/', own)).toBeNull();
    expect(parseMediaUrl('http://127.0.0.1:9000/', own)).toBeInstanceOf(URL);
  });

  it('never throws, and what it takes is https on port 443 without credentials', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.string().map((rest) => `https://${rest}`),
    );
    fc.assert(
      fc.property(text, (raw) => {
        const url = parseMediaUrl(raw, { trustedHosts: new Set(), ownHosts: new Set() });
        if (url === null) return;
        expect(url.protocol).toBe('https:');
        expect([url.port, url.username, url.password]).toEqual(['', '', '']);
        expect(url.hostname).toMatch(/\.|^\[/);
      }),
      { numRuns: 2_000 },
    );
  });
});
