import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Sealer } from '#libs/sealing/sealing.ts';
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
  /** `reconnect`: X no longer takes our tokens, or we can no longer open them; the user has to sign in again. */
  readonly state: 'connected' | 'reconnect';
  /** Epoch ms of the last sign-in. */
  readonly connectedAt: number;
}

export interface AccountStore {
  /** Stores a sign-in: a new account, or the same one healed. */
  connect(user: XUser, tokenSet: TokenSet): Promise<Account>;
  find(accountId: string): Promise<Account | null>;
  /** Forgets the account. Resolves to what was stored, to be revoked at X. */
  remove(accountId: string): Promise<TokenSet | null>;
  /** All accounts, dead ones included. */
  ids(): Promise<string[]>;
  /** Seals an account's tokens with the current key if an older one did. Resolves to whether it was needed and done. */
  reseal(accountId: string): Promise<boolean>;
  /** For the token vault, and for whoever changes keys. */
  readonly tokens: TokenStore;
}

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
  const tokens = createTokenStore({ redis, sealer });
  const load = async (accountId: string) => {
    const names = ['profile', 'scope', 'v', 'st', 'sealed'] as const;
    const [profile, scope, version, st, sealed] = await redis.hmget(accountKey(accountId), ...names);
    if (!profile) return null;
    const opened = sealed && st !== 'DEAD' ? openTokens(sealer, accountId, Number(version), sealed) : null;
    const scopes = (scope ?? '').split(' ').filter(Boolean);
    return { profile: Profile.parse(JSON.parse(profile)), scope: scopes, tokens: opened };
  };
  return {
    tokens,
    reseal: tokens.reseal,
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
    async find(accountId) {
      const found = await load(accountId);
      if (!found) return null;
      const { profile, scope } = found;
      return { id: accountId, ...profile, scope, state: found.tokens ? 'connected' : 'reconnect' };
    },
    async remove(accountId) {
      const found = await load(accountId);
      // A pair that a refresh brings from now on finds no account and is revoked by the vault.
      await redis.multi().del(accountKey(accountId)).srem(accountIds, accountId).exec();
      return found?.tokens ? { ...found.tokens, scope: found.scope } : null;
    },
  };
}
