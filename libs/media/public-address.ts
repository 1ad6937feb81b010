import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * IPv4 that `ipaddr.js` calls unicast and that no public host has: Azure's wire server, IETF assignments,
 * AS112 and AMT anycast (IANA special-purpose registry, RFC 6890).
 */
const forbiddenIpv4 = [
  '168.63.129.16/32',
  '192.0.0.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
];

/** IPv6 inside 2000::/3 that carries another address or belongs to nobody: IETF assignments, 6to4, 6bone. */
const forbiddenIpv6 = [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '2620:4f:8000::/48',
  '3ffe::/16',
  '3fff::/20',
];

const forbiddenRanges = parseRanges([...forbiddenIpv4, ...forbiddenIpv6]);
const globalUnicast = ipaddr.parseCIDR('2000::/3');

type Address = ReturnType<typeof ipaddr.parse>;
type Range = ReturnType<typeof ipaddr.parseCIDR>;

/**
 * Whether a literal IP address belongs to the public internet, judged by what may be reached and not by what is
 * known to be bad: anything that is no plain literal (zone id, short or octal form, name) is not public.
 */
export function isPublicAddress(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === null) return false;
  if (parsed.range() !== 'unicast' || matchesAny(parsed, forbiddenRanges)) return false;
  return parsed.kind() === 'ipv4' || (parsed.match(globalUnicast) && !isIsatap(parsed));
}

/** Whether `address` lies in one of `ranges` (addresses or CIDR blocks), however either is spelled. */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== null && matchesAny(parsed, parseRanges(ranges));
}

function parseRanges(ranges: readonly string[]): Range[] {
  return ranges.map((range) => {
    const [address = '', bits] = range.split('/');
    const parsed = parseAddress(address);
    if (parsed === null) throw new TypeError(`Not an address or CIDR block: ${range}`);
    return bits === undefined
      ? [parsed, parsed.kind() === 'ipv4' ? 32 : 128]
      : ipaddr.parseCIDR(`${parsed.toString()}/${bits}`);
  });
}

function matchesAny(address: Address, ranges: readonly Range[]): boolean {
  return ranges.some(([range, bits]) => range.kind() === address.kind() && address.match([range, bits]));
}

/** The address with an IPv4 inside `::ffff:0:0/96` taken out, so that one spelling alone is judged. */
function parseAddress(address: string): Address | null {
  // `ipaddr.js` also reads `127.1` and `0177.0.0.1`; the system's own parser is the stricter one.
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return null;
  if (family === 4) return ipaddr.parse(address);
  // It also takes `::8.8.8.8` for the mapped `::ffff:8.8.8.8`, so the dotted tail is turned into hex before.
  const hex = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1);
  return hex === undefined ? null : ipaddr.process(hex);
}

/** RFC 5214: an interface identifier `0:5efe:` or `200:5efe:` tunnels to the IPv4 address behind it. */
function isIsatap(address: Address): boolean {
  const bytes = address.toByteArray();
  return (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
}
