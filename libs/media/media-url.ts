import { isIP } from 'node:net';
import { isPublicAddress } from './public-address.ts';

const maxUrlLength = 2048;

/** Names that never mean a public host (RFC 6761, RFC 8375, and what networks use at home and at work). */
const privateSuffixes = [
  'localhost',
  'local',
  'internal',
  'localdomain',
  'home.arpa',
  'lan',
  'corp',
  'home',
  'intranet',
  'onion',
];

/** Which hosts are exempt and which are ours; entries as `readHosts` gives them. */
export interface HostRules {
  /** `host:port` pairs that the operator exempts from the https, port and public-address rules. */
  readonly trustedHosts: ReadonlySet<string>;
  /** Where this server itself is reached: `host` (any port) or `host:port`. */
  readonly ownHosts: ReadonlySet<string>;
}

/** Host entries in the spelling that `new URL` gives, so that they compare exactly. */
export function readHosts(entries: readonly string[]): ReadonlySet<string> {
  return new Set(
    entries.map((entry) => {
      const url = URL.parse(`http://${entry}`);
      if (!url) throw new TypeError(`Not a host or host:port: ${entry}`);
      const hasPort = /:\d+$/.test(entry);
      return hasPort ? hostAndPort(url) : url.hostname;
    }),
  );
}

/** `host:port` of a URL, with the scheme's own port where none is written. */
export function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

/**
 * Reads an address that a stranger chose. Null means: not to be connected to, whatever it resolves to.
 * The URL that comes back is the only thing that may be used from here on.
 */
export function parseMediaUrl(raw: string, rules: HostRules): URL | null {
  // `new URL` drops tabs and line breaks silently: what others read before or after us would differ.
  if (raw.length > maxUrlLength || hasControlCharacter(raw)) return null;
  const url = URL.parse(raw);
  if (!url || url.href.length > maxUrlLength * 3 || url.username !== '' || url.password !== '') return null;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  if (rules.ownHosts.has(hostAndPort(url))) return null;
  if (rules.trustedHosts.has(hostAndPort(url))) return url;
  if (url.protocol !== 'https:' || url.port !== '' || rules.ownHosts.has(url.hostname)) return null;
  const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(literal) !== 0) return isPublicAddress(literal) ? url : null;
  return isPublicName(url.hostname) ? url : null;
}

function isPublicName(hostname: string): boolean {
  if (!hostname.includes('.') || hostname.endsWith('.')) return false;
  return !privateSuffixes.some((suffix) => hostname === suffix || hostname.endsWith(`.${suffix}`));
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true;
  }
  return false;
}
