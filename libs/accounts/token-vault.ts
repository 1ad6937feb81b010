import type { Redis } from 'ioredis';
import type { Spool } from '#libs/spool/spool.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { AccountStore } from './account-store.ts';

export interface TokenNeed {
  /** How long the token must still live, ms. Default 10 minutes. */
  readonly minValidMs?: number | undefined;
  /** The token that X answered 401 to: another one is needed. */
  readonly rejected?: string | undefined;
}

export interface TokenVault {
  /**
   * A fresh X access token of the account.
   * @throws ProblemError `reconnect_needed` when the account is gone or X no longer takes its tokens;
   *   XUnreachableError or XAnswerError when X does not answer and the old token is of no use.
   */
  accessToken(accountId: string, need?: TokenNeed): Promise<string>;
  /** Stores what earlier processes got from X and could not store. Resolves to how many entries were. */
  replaySpool(): Promise<number>;
}

export interface TokenVaultDeps {
  readonly accounts: AccountStore;
  readonly oauth: XOAuth;
  readonly spool: Spool;
  readonly redis: Redis;
  readonly now?: (() => number) | undefined;
  /** Called when an account was found dead, after that was stored. */
  readonly onDead?: ((accountId: string) => Promise<void>) | undefined;
}

export function createTokenVault(_deps: TokenVaultDeps): TokenVault {
  throw new Error('being written');
}
