import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Sealer, UnknownKeyError } from '#libs/sealing/sealing.ts';
import type { XUser } from '#libs/x-api/client.ts';
import type { TokenSet } from '#libs/x-api/oauth.ts';
import { connectScript } from './scripts.ts';
import { accountKey, createTokenStore, openTokens, sealTokens, type TokenStore } from './token-store.ts';

/** A connected X user. */
export interface Account {
  /** X user id. */
  readonly id: string;
  readonly username: string;
  readonly name: string;
  /** What X granted at the last sign-in or refresh. */
  readonly scope: readonly string[];
  readonly subscriptionType: string | null;
  /** `reconnect`: X no longer takes our tokens, or they are damaged; the user has to sign in again. */
  readonly state: 'connected' | 'reconnect';
  /** Epoch ms of the last sign-in. */
  readonly connectedAt: number;
}

export interface AccountStore {
  /** Stores a sign-in: a new account, or the same one healed. */
  connect(user: XUser, tokenSet: TokenSet): Promise<Account>;
  find(accountId: string): Promise<Account | null>;
  /** The account that these `accountFields` of its hash are, for whoever has read them along with something else. */
  toAccount(accountId: string, fields: readonly (string | null)[]): Account | null;
  /** Forgets the account. Resolves to what was stored, to be revoked at X. */
  remove(accountId: string): Promise<TokenSet | null>;
  /** All accounts, dead ones included. */
  ids(): Promise<string[]>;
  /** Seals an account's tokens with the current key if an older one did. Resolves to whether it was needed and done. */
  reseal(accountId: string): Promise<boolean>;
  /** For the token vault, and for whoever changes keys. */
  readonly tokens: TokenStore;
}

/** The fields of an account's hash that tell what it is. */
export const accountFields = ['profile', 'scope', 'v', 'st', 'sealed'] as const;
const mostRemembered = 1000;

const accountIds = 'accounts';
const Profile = z.object({
  username: z.string(),
  name: z.string(),
  subscriptionType: z.string().nullable(),
  connectedAt: z.number(),
});

/** Opens the accounts in Redis. */
export function createAccountStore(options: {
  readonly redis: Redis;
  readonly sealer: Sealer;
  readonly now?: (() => number) | undefined;
}): AccountStore {
  const { redis, sealer, now = Date.now } = options;
  const store = createTokenStore({ redis, sealer });
  const fetch = (accountId: string) => redis.hmget(accountKey(accountId), ...accountFields);
  const parse = (accountId: string, fields: readonly (string | null)[]) => {
    const [profile, scope, version, st, sealed] = fields;
    if (!profile) return null;
    const stored = sealed && st !== 'DEAD' ? openOrLocked(sealer, accountId, Number(version), sealed) : null;
    const scopes = (scope ?? '').split(' ').filter(Boolean);
    const tokens = stored === 'locked' ? null : stored;
    const state = stored === null ? ('reconnect' as const) : ('connected' as const);
    return { profile: Profile.parse(JSON.parse(profile)), scope: scopes, state, tokens };
  };
  // Whether a sealed value opens takes longer to tell than all else, and the fields of an account seldom change.
  const remembered = new Map<string, { readonly fields: string; readonly account: Account }>();
  const toAccount: AccountStore['toAccount'] = (accountId, fields) => {
    const same = JSON.stringify(fields);
    const known = remembered.get(accountId);
    if (known?.fields === same) return known.account;
    const found = parse(accountId, fields);
    if (!found) return null;
    const { profile, scope, state } = found;
    const account: Account = { id: accountId, ...profile, scope, state };
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(accountId, { fields: same, account });
    return account;
  };
  return {
    tokens: store,
    toAccount,
    reseal: store.reseal,
    ids: () => redis.smembers(accountIds),
    async connect(user, tokenSet) {
      const { id, username, name, subscriptionType } = user;
      const profile = { username, name, subscriptionType, connectedAt: now() };
      const scope = tokenSet.scope.join(' ');
      const attemptId = randomUUID();
      for (;;) {
        const version = Number((await redis.hget(accountKey(id), 'v')) ?? 0);
        const sealed = sealTokens(sealer, id, version + 1, tokenSet);
        const values = [version, attemptId, JSON.stringify(profile), scope, sealed];
        const done = await redis.eval(connectScript, 2, accountKey(id), accountIds, ...values);
        if (done === 1) return { id, ...profile, scope: [...tokenSet.scope], state: 'connected' };
      }
    },
    find: async (accountId) => toAccount(accountId, await fetch(accountId)),
    async remove(accountId) {
      const key = accountKey(accountId);
      // Read in the same step: a pair that a refresh stored just before is revoked too, and one that it brings from
      // now on finds no account and is revoked by the vault.
      const steps = redis.multi().hmget(key, ...accountFields);
      const [read] = (await steps.del(key).srem(accountIds, accountId).exec()) ?? [];
      const found = parse(accountId, (read?.[1] as (string | null)[] | undefined) ?? []);
      return found?.tokens ? { ...found.tokens, scope: found.scope } : null;
    },
  };
}

/** Tokens whose key is missing here are no worse for that: other processes may have it. */
function openOrLocked(...sealed: Parameters<typeof openTokens>) {
  try {
    return openTokens(...sealed);
  } catch (error) {
    if (error instanceof UnknownKeyError) return 'locked';
    throw error;
  }
}
