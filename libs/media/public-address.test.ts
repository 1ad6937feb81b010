import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInRanges, isPublicAddress } from './public-address.ts';

describe('isPublicAddress', () => {
  it.each([
    '8.8.8.8',
    '93.184.216.34',
    '1.1.1.1',
    '172.32.0.1',
    '192.0.1.1',
    '2606:4700:4700::1111',
    '2a00:1450:4001:800::200e',
    '::ffff:8.8.8.8',
  ])('lets %s through', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1'],
    ...['192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1'],
    ...['255.255.255.255', '168.63.129.16'],
  ])('refuses IPv4 %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each([
    ...[
      '::',
      '::1',
      '::7f00:1',
      '::127.0.0.1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:169.254.169.254',
    ],
    ...['::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1', '64:ff9b:2::1', '100::1', '2001::1'],
    ...[
      '2001:2::1',
      '2001:10::1',
      '2001:20::1',
      '2001:db8::1',
      '2002:7f00:1::',
      '2620:4f:8000::1',
      '3ffe::1',
    ],
    ...['3fff::1', '4000::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fec0::1', 'ff02::1'],
    ...['2a00:1450::5efe:7f00:1', '2a00:1450::200:5efe:7f00:1'],
  ])('refuses IPv6 %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each([
    '',
    'localhost',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '8.8.8',
    'fe80::1%eth0',
    '2a00::1%1',
    '[::1]',
    ' 8.8.8.8',
  ])('refuses %j, which is no plain address', (address) => expect(isPublicAddress(address)).toBe(false));

  it('judges an IPv4 address alike in every IPv6 spelling that stands for it', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        for (const mapped of [`::ffff:${address}`, `::ffff:${hex}`, `0:0:0:0:0:FFFF:${hex.toUpperCase()}`])
          expect(isPublicAddress(mapped)).toBe(isPublicAddress(address));
        for (const tunnel of [`::${hex}`, `64:ff9b::${hex}`, `2002:${hex}::1`])
          expect(isPublicAddress(tunnel)).toBe(false);
      }),
    );
  });

  it('lets no IPv4 address of a special-purpose block through', () => {
    const blocks = [
      [0, 8],
      [0x0a000000, 8],
      [0x64400000, 10],
      [0x7f000000, 8],
      [0xa9fe0000, 16],
      [0xac100000, 12],
      [0xc0000000, 24],
      [0xc0a80000, 16],
      [0xc6120000, 15],
      [0xe0000000, 3],
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...blocks), fc.nat(0xffffffff), ([base, bits], random) => {
        const value = base + (random % 2 ** (32 - bits));
        const address = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
        expect(isPublicAddress(address)).toBe(false);
      }),
    );
  });

  it('lets no IPv6 address outside 2000::/3 through, except a mapped public one', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        if (!isPublicAddress(address)) return;
        const first = Number.parseInt(address.split(':')[0] || '0', 16);
        expect((first >= 0x2000 && first <= 0x3fff) || /^[0:]*ffff:/i.test(address)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('isInRanges', () => {
  it('compares addresses however they are spelled', () => {
    expect(isInRanges('203.0.113.7', ['203.0.113.0/24'])).toBe(true);
    expect(isInRanges('::ffff:203.0.113.7', ['203.0.113.7'])).toBe(true);
    expect(isInRanges('2A00:0:0::1', ['2a00::1'])).toBe(true);
    expect(isInRanges('203.0.114.7', ['203.0.113.0/24', '2a00::/16'])).toBe(false);
  });

  it('does not take a range that is none', () => {
    expect(() => isInRanges('8.8.8.8', ['intranet'])).toThrow('intranet');
  });
});
