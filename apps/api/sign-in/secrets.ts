import { createHash, hash, hkdfSync, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a random value, base64url: what is stored in place of tokens, codes, states and cookies. */
export function hashOf(value: string): string {
  return hash('sha256', value, 'base64url');
}

/** Compares without telling by its duration where the strings differ. */
export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(one).digest(),
    createHash('sha256').update(other).digest(),
  );
}

/** A key of its own for each purpose, the same in every process that knows `secretKey` (RFC 5869). */
export function deriveKey(secretKey: string, purpose: string): string {
  return Buffer.from(hkdfSync('sha256', secretKey, '', `post-to-x ${purpose}`, 32)).toString('base64url');
}
