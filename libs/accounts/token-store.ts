import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type SealContext, type Sealer, UnknownKeyError, UnsealError } from '#libs/sealing/sealing.ts';
import type { TokenSet } from '#libs/x-api/oauth.ts';
import { grantsOf } from './grants-of.ts';
import type { TokenRecord } from './refresh.ts';
import { lockMs, type RefreshLock } from './refresh-lock.ts';
import { killScript, markScript, resealScript, rotateScript, unmarkScript } from './scripts.ts';

/** A pair that X handed out, and the refresh it came of. */
export interface Rotation {
  readonly accountId: string;
  /** Of the record whose refresh token was presented. */
  readonly version: number;
  readonly attemptId: string;
  /** Digest of the refresh token that was presented. */
  readonly digest: string;
  readonly tokenSet: TokenSet;
}

/** The sealed token sets: every write is a compare-and-set (see the scripts), false or `moved` when another was first. */
export interface TokenStore {
  /**
   * null: no such account, or its tokens are damaged.
   * @throws UnknownKeyError when they were sealed with a key that is missing here
   */
  read(accountId: string): Promise<TokenRecord | null>;
  /** Writes down, before it is done, that the record's refresh token is about to be presented. */
  mark(
    accountId: string,
    record: TokenRecord,
    attemptId: string,
    lock: Pick<RefreshLock, 'key' | 'owner'>,
  ): Promise<boolean>;
  unmark(accountId: string, attemptId: string): Promise<boolean>;
  rotate(rotation: Rotation): Promise<'stored' | 'moved' | 'gone'>;
  /** Wipes the tokens and ends every grant of ours for the account: the user has to sign in again. */
  kill(accountId: string, version: number, attemptId: string): Promise<boolean>;
  /**
   * Seals with the current key what an older one sealed. Resolves to whether it did.
   * @throws UnsealError when no key that we have opens it
   */
  reseal(accountId: string): Promise<boolean>;
  /** Id of the key that sealed the account's tokens; null: it has none. */
  kidOf(accountId: string): Promise<string | null>;
}

export const accountKey = (accountId: string) => `account:${accountId}`;

const states = { OK: 'ok', REFRESHING: 'refreshing', DEAD: 'dead' } as const;
const SealedTokens = z.object({
  access: z.string(),
  refresh: z.string().nullable(),
  expiresAt: z.number(),
  lifetimeMs: z.number().optional(),
});
const TokenFields = z.tuple([
  z.coerce.number().int().positive(),
  z.enum(['OK', 'REFRESHING', 'DEAD']),
  z.string().nullable(),
  z.string().nullable(),
  z.coerce.number(),
  z.coerce.number(),
]);

/** Opens the token sets in Redis. */
export function createTokenStore({ redis, sealer }: { redis: Redis; sealer: Sealer }): TokenStore {
  const run = (script: string, accountId: string, ...values: (string | number)[]) =>
    redis.eval(script, 1, accountKey(accountId), ...values);
  return {
    async read(accountId) {
      const names = ['v', 'st', 'sealed', 'refresh_attempt', 'presented', 'started_at'] as const;
      const fields = await redis.hmget(accountKey(accountId), ...names);
      if (fields[0] === null) return null;
      const record = toRecord(accountId, TokenFields.parse(fields), sealer);
      if (!record?.attempt) return record;
      const [seconds, microseconds] = (await redis.time()).map(Number);
      const time = (seconds ?? 0) * 1000 + (microseconds ?? 0) / 1000;
      const ageMs = Math.max(0, time - Number(fields[5]));
      return { ...record, attempt: { ...record.attempt, ageMs } };
    },
    async mark(accountId, { version, attempt, refreshToken }, attemptId, lock) {
      const digest = digestOf(refreshToken ?? '');
      const values = [version, attempt?.id ?? '', attemptId, digest, lock.owner, lockMs];
      return (await redis.eval(markScript, 2, accountKey(accountId), lock.key, ...values)) === 1;
    },
    unmark: async (accountId, attemptId) => (await run(unmarkScript, accountId, attemptId)) === 1,
    async rotate({ accountId, version, digest, attemptId, tokenSet }) {
      const sealed = sealTokens(sealer, accountId, version + 1, tokenSet);
      const scope = tokenSet.scope.join(' ');
      const result = await run(rotateScript, accountId, version, digest, attemptId, scope, sealed);
      return z.enum(['stored', 'moved', 'gone']).parse(result);
    },
    async kill(accountId, version, attemptId) {
      const keys = [accountKey(accountId), grantsOf(accountId)];
      return (await redis.eval(killScript, 2, ...keys, version, attemptId)) === 1;
    },
    async reseal(accountId) {
      for (;;) {
        const [version, sealed] = await redis.hmget(accountKey(accountId), 'v', 'sealed');
        if (!version || !sealed || sealer.kidOf(sealed) === sealer.currentKid) return false;
        const context = contextOf(accountId, Number(version));
        const resealed = sealer.seal(sealer.open(sealed, context), context);
        // Otherwise a refresh or a sign-in was first: look again at what it stored.
        if ((await run(resealScript, accountId, version, sealed, resealed)) === 1) return true;
      }
    },
    async kidOf(accountId) {
      const sealed = await redis.hget(accountKey(accountId), 'sealed');
      return sealed ? sealer.kidOf(sealed) : null;
    },
  };
}

/** Names a refresh token without giving it away: it is random, so that nobody can guess it from this. */
export function digestOf(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

/** A token set as it lies in Redis: it opens only for this account and this version. */
export function sealTokens(sealer: Sealer, accountId: string, version: number, tokenSet: TokenSet): string {
  const { accessToken, refreshToken, expiresAt, lifetimeMs } = tokenSet;
  const plain = JSON.stringify({ access: accessToken, refresh: refreshToken, expiresAt, lifetimeMs });
  return sealer.seal(plain, contextOf(accountId, version));
}

/** null when it is damaged. @throws UnknownKeyError */
export function openTokens(sealer: Sealer, accountId: string, version: number, sealed: string) {
  try {
    const { access, refresh, expiresAt, lifetimeMs } = SealedTokens.parse(
      JSON.parse(sealer.open(sealed, contextOf(accountId, version))),
    );
    return { accessToken: access, refreshToken: refresh, expiresAt, lifetimeMs };
  } catch (error) {
    if (error instanceof UnsealError && !(error instanceof UnknownKeyError)) return null;
    throw error;
  }
}

function contextOf(accountId: string, version: number): SealContext {
  return { record: 'token_set', account: accountId, id: String(version) };
}

function toRecord(
  accountId: string,
  fields: z.output<typeof TokenFields>,
  sealer: Sealer,
): TokenRecord | null {
  const [version, st, sealed, attemptId, presented] = fields;
  const state = states[st];
  const attempt = presented > 0 ? { id: attemptId ?? '', presented, ageMs: 0 } : null;
  if (state === 'dead' || sealed === null)
    return { version, state: 'dead', accessToken: '', refreshToken: null, expiresAt: 0, attempt };
  const tokens = openTokens(sealer, accountId, version, sealed);
  // A backup may bring them back: nothing is wiped.
  return tokens && { version, state, ...tokens, attempt };
}
