import type { Redis } from 'ioredis';
import type { Sealer } from '#libs/sealing/sealing.ts';
import type { XUser } from '#libs/x-api/client.ts';
import type { TokenSet } from '#libs/x-api/oauth.ts';

/** A connected X user. */
export interface Account {
  /** X user id. */
  readonly id: string;
  readonly username: string;
  readonly name: string;
  /** What X granted at the last sign-in or refresh. */
  readonly scope: readonly string[];
  readonly subscriptionType: string | null;
  /** `reconnect`: X no longer takes our tokens; the user has to sign in again. */
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
}

export function createAccountStore(_options: {
  readonly redis: Redis;
  readonly sealer: Sealer;
}): AccountStore {
  throw new Error('being written');
}
