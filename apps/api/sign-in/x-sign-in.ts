import type { Context } from 'koa';
import type { Account, AccountStore } from '#libs/accounts/account-store.ts';
import { mayConnect } from '#libs/accounts/may-connect.ts';
import type { Log } from '#libs/log/log.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import type { TokenSet, XOAuth } from '#libs/x-api/oauth.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import type { Attempts, Purpose } from './attempts.ts';
import type { BrowserCookie } from './browser.ts';
import { reach } from './reach.ts';
import { SignInFault } from './sign-in-fault.ts';

/** The sign-in at X itself, whatever it is for. */
export interface XSignIn {
  /** The address at X to send the user to; the browser's cookie is set. */
  begin(ctx: Context, purpose: Purpose): Promise<{ readonly url: string; readonly state: string }>;
  /**
   * Reads X's redirect: the purpose of the attempt, and either the account or why there is none.
   * @throws SignInFault when the redirect belongs to no attempt of this browser.
   */
  finish(ctx: Context): Promise<{ readonly purpose: Purpose; readonly outcome: Account | SignInFault }>;
}

export interface XSignInOptions {
  readonly attempts: Attempts;
  readonly browserCookie: BrowserCookie;
  readonly oauth: XOAuth;
  readonly x: XApi;
  readonly accounts: AccountStore;
  /** Usernames in lower case, or ids; empty: anyone. */
  readonly allowedXUsers: readonly string[];
  readonly log: Log;
}

export function createXSignIn(options: XSignInOptions): XSignIn {
  const { attempts, browserCookie, oauth } = options;
  return {
    async begin(ctx, purpose) {
      const { url, state, codeVerifier } = await oauth.authorizationRequest();
      await attempts.begin({ state, browser: browserCookie.require(ctx), codeVerifier, purpose });
      return { url, state };
    },
    async finish(ctx) {
      const { state, code, error } = ctx.query;
      // A parameter given twice is an array: such a redirect is not X's.
      if (typeof state !== 'string') throw new SignInFault('expired');
      const attempt = await attempts.take(state, browserCookie.read(ctx));
      if (attempt === 'unknown') throw new SignInFault('expired');
      if (attempt === 'other_browser') throw new SignInFault('other_browser');
      const { codeVerifier, purpose } = attempt;
      if (error !== undefined || typeof code !== 'string' || code === '')
        return { purpose, outcome: new SignInFault(error === 'access_denied' ? 'denied' : 'x_refused') };
      try {
        return { purpose, outcome: await connect({ code, codeVerifier }, options) };
      } catch (fault) {
        if (fault instanceof SignInFault) return { purpose, outcome: fault };
        throw fault;
      }
    },
  };
}

async function connect(
  callback: { readonly code: string; readonly codeVerifier: string },
  options: XSignInOptions,
): Promise<Account> {
  const { oauth, x, accounts, allowedXUsers } = options;
  const tokenSet = await askX(() => oauth.exchange(callback), options.log);
  let stored = false;
  try {
    const user = await askX(() => x.me({ token: tokenSet.accessToken }), options.log);
    if (!mayConnect(user, allowedXUsers))
      throw new SignInFault('account_not_allowed', { username: user.username });
    const account = await reach(() => accounts.connect(user, tokenSet));
    stored = true;
    options.log.info({ accountId: account.id }, 'An X account was connected');
    return account;
  } finally {
    // What was not stored can never be used again and must not stay valid.
    if (!stored) await revokeAtX(tokenSet, oauth);
  }
}

async function revokeAtX(tokenSet: TokenSet, oauth: XOAuth): Promise<void> {
  const { refreshToken, accessToken } = tokenSet;
  await Promise.allSettled([
    ...(refreshToken === null ? [] : [oauth.revoke(refreshToken, 'refresh_token')]),
    oauth.revoke(accessToken, 'access_token'),
  ]);
}

/** Turns X's failures into the user's: refused (a new try from the start may help) or away (later). */
async function askX<T>(ask: () => Promise<T>, log: Log): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (!(cause instanceof XAnswerError) && !(cause instanceof XUnreachableError)) throw cause;
    log.warn({ err: cause }, 'X did not complete a sign-in');
    const away = cause instanceof XUnreachableError || cause.status >= 500 || cause.status === 429;
    throw new SignInFault(away ? 'x_away' : 'x_refused', { cause });
  }
}
