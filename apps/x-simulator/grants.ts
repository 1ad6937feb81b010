import { createHash, randomBytes } from 'node:crypto';
import type { KeptGrants } from './kept-state.ts';
import type { Settings } from './settings.ts';

/** What a person allowed: kept until its code is exchanged. */
export interface CodeGrant {
  readonly userId: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: readonly string[];
  readonly codeChallenge: string;
  readonly challengeMethod: 'S256' | 'plain';
}

/** All tokens that came of one sign-in. */
interface Family {
  readonly userId: string;
  readonly clientId: string;
  readonly scope: readonly string[];
  readonly signedInAt: number;
  revoked: boolean;
}

interface Token {
  readonly kind: 'access' | 'refresh';
  readonly family: Family;
  readonly expiresAt: number;
  used: boolean;
  revoked: boolean;
}

/** The body of X's token answer. */
export interface TokenAnswer {
  readonly token_type: 'bearer';
  readonly expires_in: number;
  readonly access_token: string;
  readonly scope: string;
  readonly refresh_token?: string;
}

/** Authorization codes and tokens: who may act for whom, and until when. */
export class Grants {
  readonly #settings: Settings;
  readonly #changed: () => void;
  /** By the hashes of codes and tokens. */
  readonly #codes = new Map<string, CodeGrant & { readonly expiresAt: number }>();
  readonly #tokens = new Map<string, Token>();

  /** `changed` is called after every change. */
  constructor(settings: Settings, changed: () => void) {
    this.#settings = settings;
    this.#changed = changed;
  }

  createCode(grant: CodeGrant): string {
    const code = opaque('ac', this.#settings.now());
    const expiresAt = this.#settings.now() + this.#settings.codeSeconds * 1000;
    this.#codes.set(hashOf(code), { ...grant, expiresAt });
    this.#changed();
    return code;
  }

  /** The tokens for a code, or null: unknown, used, too old, for another client or redirect, wrong verifier. */
  exchange(
    code: string,
    claim: { clientId: string; redirectUri: string; verifier: string },
  ): TokenAnswer | null {
    const grant = this.#codes.get(hashOf(code));
    if (!grant) return null;
    this.#codes.delete(hashOf(code));
    this.#changed();
    const challenge =
      grant.challengeMethod === 'plain'
        ? claim.verifier
        : createHash('sha256').update(claim.verifier).digest('base64url');
    const holds =
      grant.expiresAt > this.#settings.now() &&
      grant.clientId === claim.clientId &&
      grant.redirectUri === claim.redirectUri &&
      grant.codeChallenge === challenge;
    return holds ? this.issue(grant) : null;
  }

  /** A first pair of tokens without any authorize page: for tests that are about something else. */
  issue(grant: { userId: string; clientId: string; scope: readonly string[] }): TokenAnswer {
    const { userId, clientId, scope } = grant;
    return this.#answer({ userId, clientId, scope, signedInAt: this.#settings.now(), revoked: false });
  }

  /** The next pair for a refresh token, which is used up by it, or null if it is worth nothing (any more). */
  refresh(refreshToken: string, clientId: string): TokenAnswer | null {
    const token = this.#tokens.get(hashOf(refreshToken));
    if (token?.kind !== 'refresh' || token.family.clientId !== clientId) return null;
    if (token.used && this.#settings.familyRevocation) token.family.revoked = true;
    this.#changed();
    if (token.used || !this.#isAlive(token)) return null;
    token.used = true;
    return this.#answer(token.family);
  }

  /** A refresh token takes its family along, an access token dies alone. Unknown tokens are no error. */
  revoke(value: string, clientId: string): void {
    const token = this.#tokens.get(hashOf(value));
    if (token?.family.clientId !== clientId) return;
    token.revoked = true;
    if (token.kind === 'refresh') token.family.revoked = true;
    this.#changed();
  }

  /** The person takes back what the app may do (X: Settings, Connected apps); all apps when none is named. */
  disconnect(userId: string, clientId?: string): void {
    for (const { family } of this.#tokens.values())
      if (family.userId === userId && (clientId ?? family.clientId) === family.clientId)
        family.revoked = true;
    this.#changed();
  }

  /** Lets every access token expire now; refresh tokens live on. */
  expireAccessTokens(userId?: string): void {
    for (const token of this.#tokens.values())
      if (token.kind === 'access' && (userId ?? token.family.userId) === token.family.userId)
        token.revoked = true;
    this.#changed();
  }

  /** Whose token it is, whether or not it still works. */
  ownerOf(value: string): { userId: string; clientId: string } | null {
    return this.#tokens.get(hashOf(value))?.family ?? null;
  }

  /** What an access token that works now stands for. */
  findAccess(value: string): Family | null {
    const token = this.#tokens.get(hashOf(value));
    return token?.kind === 'access' && this.#isAlive(token) ? token.family : null;
  }

  clear(): void {
    this.#codes.clear();
    this.#tokens.clear();
    this.#changed();
  }

  /** All of it, for a file. */
  keep(): KeptGrants {
    const families = [...new Set([...this.#tokens.values()].map(({ family }) => family))];
    const places = new Map(families.map((family, place) => [family, place]));
    return {
      families: families.map((family) => ({ ...family, scope: [...family.scope] })),
      tokens: [...this.#tokens].map(([hash, { family, ...token }]) => ({
        ...token,
        hash,
        family: places.get(family) ?? 0,
      })),
      codes: [...this.#codes].map(([hash, grant]) => ({ ...grant, hash, scope: [...grant.scope] })),
    };
  }

  /** Takes over what `keep` gave. */
  restore({ families, tokens, codes }: KeptGrants): void {
    for (const { hash, family: place, ...token } of tokens) {
      const family = families[place];
      if (family) this.#tokens.set(hash, { ...token, family });
    }
    for (const { hash, ...grant } of codes) this.#codes.set(hash, grant);
  }

  #isAlive(token: Token): boolean {
    return !token.revoked && !token.family.revoked && token.expiresAt > this.#settings.now();
  }

  #answer(family: Family): TokenAnswer {
    const { accessTokenSeconds, refreshTokenSeconds } = this.#settings;
    return {
      token_type: 'bearer',
      expires_in: accessTokenSeconds,
      access_token: this.#keep('access', family, accessTokenSeconds),
      scope: family.scope.join(' '),
      ...(family.scope.includes('offline.access')
        ? { refresh_token: this.#keep('refresh', family, refreshTokenSeconds) }
        : {}),
    };
  }

  #keep(kind: Token['kind'], family: Family, seconds: number): string {
    const value = opaque(kind === 'access' ? 'at' : 'rt', this.#settings.now());
    const expiresAt = this.#settings.now() + seconds * 1000;
    this.#tokens.set(hashOf(value), { kind, family, expiresAt, used: false, revoked: false });
    this.#changed();
    return value;
  }
}

/** As X's own: base64url of random characters, the time and the kind. A client must treat it as opaque. */
function opaque(kind: 'ac' | 'at' | 'rt', now: number): string {
  const random = randomBytes(36).toString('base64url');
  return Buffer.from(`${random}:${Math.trunc(now)}:1:0:${kind}:1`).toString('base64url');
}

function hashOf(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
