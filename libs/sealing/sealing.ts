import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { randomBytes } from './random-bytes.ts';

/** Where a sealed value belongs: it opens nowhere else. All three are bound to it as associated data. */
export interface SealContext {
  /** Kind of record, as in `token_set`. */
  readonly record: string;
  /** The account it belongs to, or '' for none. */
  readonly account: string;
  /** Which one of that kind: a job's id, a spool entry's id. */
  readonly id: string;
}

/** Seals text with AES-256-GCM (NIST SP 800-38D); what it returns is `v1.<kid>.<iv>.<ciphertext>.<tag>`, base64url parts. */
export interface Sealer {
  seal(plain: string, context: SealContext): string;
  /** @throws UnsealError when the value was altered or sealed for another context; UnknownKeyError when its key is not ours. */
  open(sealed: string, context: SealContext): string;
  /** Id of the key that seals. */
  readonly currentKid: string;
  /** Id of the key that a value was sealed with. @throws UnsealError when it is no sealed value. */
  kidOf(sealed: string): string;
}

/** A sealed value that cannot be opened. The message names no secret and no content. */
export class UnsealError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnsealError';
  }
}

/** The key that would open it is not among the configured ones: it may be back tomorrow, or be known to another process. */
export class UnknownKeyError extends UnsealError {
  readonly kid: string;
  constructor(kid: string) {
    super(`The key ${kid} is not among the configured ones`);
    this.name = 'UnknownKeyError';
    this.kid = kid;
  }
}

const version = 'v1';
const ivBytes = 12;
const tagBytes = 16;
const base64url = /^[A-Za-z0-9_-]*$/;

/**
 * Makes a sealer of keys with at least 32 random bytes each: the first one seals, all of them open.
 * @throws Error when there is no key, a key is short, or two keys share an id.
 */
export function createSealer(keys: readonly { readonly kid: string; readonly key: Buffer }[]): Sealer {
  const [first] = keys;
  if (!first) throw new Error('At least one sealing key is needed');
  const derivedKeys = new Map<string, KeyObject>();
  for (const { kid, key } of keys) {
    if (!/^[A-Za-z0-9_-]+$/.test(kid)) throw new Error('A key id consists of letters, digits, "_" and "-"');
    if (derivedKeys.has(kid)) throw new Error(`Two sealing keys are named ${kid}`);
    derivedKeys.set(kid, deriveKey(key));
  }
  const currentKid = first.kid;
  return {
    currentKid,
    kidOf: (sealed) => split(sealed).kid,
    seal(plain, context) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', keyNamed(derivedKeys, currentKid), iv, {
        authTagLength: tagBytes,
      });
      cipher.setAAD(associatedData(currentKid, context));
      const ciphertext = cipher.update(plain, 'utf8').toString('base64url');
      // GCM has no blocks to fill up: the end adds nothing but the tag.
      cipher.final();
      const tag = cipher.getAuthTag().toString('base64url');
      return `${version}.${currentKid}.${iv.toString('base64url')}.${ciphertext}.${tag}`;
    },
    open(sealed, context) {
      const { kid, iv, ciphertext, tag } = split(sealed);
      const key = keyNamed(derivedKeys, kid);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
        decipher.setAAD(associatedData(kid, context)).setAuthTag(tag);
        const plain = decipher.update(ciphertext);
        // Throws unless the tag is right.
        decipher.final();
        return plain.toString('utf8');
      } catch (cause) {
        throw new UnsealError('A sealed value was altered or belongs elsewhere', { cause });
      }
    },
  };
}

/** The configured key is never used itself, so that it can serve other purposes without weakening this one (RFC 5869). */
function deriveKey(key: Buffer): KeyObject {
  if (key.length < 32) throw new Error('A sealing key needs at least 32 bytes');
  // As an object: a key in bytes is taken apart anew by every call, which triples what sealing takes.
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, '', `post-to-x sealing ${version}`, 32)));
}

function keyNamed(keys: ReadonlyMap<string, KeyObject>, kid: string): KeyObject {
  const key = keys.get(kid);
  if (!key) throw new UnknownKeyError(kid);
  return key;
}

/** JSON, because joined strings could be shifted from one field into the next. */
function associatedData(kid: string, { record, account, id }: SealContext): Buffer {
  return Buffer.from(JSON.stringify([version, kid, record, account, id]));
}

function split(sealed: string) {
  const [format, kid, iv, ciphertext, tag, ...rest] = sealed.split('.');
  const whole = kid && iv && tag && ciphertext !== undefined && rest.length === 0;
  if (format !== version || !whole) throw new UnsealError('Not a sealed value');
  if (![iv, ciphertext, tag].every((part) => base64url.test(part)))
    throw new UnsealError('Not a sealed value');
  const bytes = {
    iv: Buffer.from(iv, 'base64url'),
    ciphertext: Buffer.from(ciphertext, 'base64url'),
    tag: Buffer.from(tag, 'base64url'),
  };
  // A short tag would be accepted by GCM and is easier to forge.
  if (bytes.iv.length !== ivBytes || bytes.tag.length !== tagBytes)
    throw new UnsealError('Not a sealed value');
  return { kid, ...bytes };
}
