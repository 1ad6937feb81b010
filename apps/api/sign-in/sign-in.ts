import type { Redis } from 'ioredis';
import type { Context, Middleware } from 'koa';
import type { AccountStore } from '#libs/accounts/account-store.ts';
import type { Config } from '#libs/config/config.ts';
import type { Log } from '#libs/log/log.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import { sendPage, wantsPage } from '../pages/page.ts';
import { noticePage } from '../pages/sign-in-pages.ts';
import { createAttempts } from './attempts.ts';
import { createAuthorizationServer } from './authorization-server.ts';
import { AuthorizeRefusal, authorize, createRenderError, refuseAuthorization } from './authorize.ts';
import { createBrowserCookie } from './browser.ts';
import { createConsent } from './consent.ts';
import { answerDirect, startAuth } from './direct-sign-in.ts';
import { serverMetadata } from './metadata.ts';
import { createOidcStore } from './oidc-store.ts';
import { asSeenFromOutside } from './outside.ts';
import { type Methods, type Routes, serve } from './routes.ts';
import { createSecretGuesses } from './secret-guesses.ts';
import { deriveKey } from './secrets.ts';
import { faultNotice, faultProblem, SignInFault } from './sign-in-fault.ts';
import { createTokenEndpoints } from './token-dialects.ts';
import { type Caller, createTokenDesk } from './tokens.ts';
import { createXSignIn } from './x-sign-in.ts';

export type { Caller } from './tokens.ts';

export interface SignInOptions {
  /** Origin, without a slash at its end: the issuer, and the start of every URL. */
  readonly publicUrl: string;
  /** The callback that is registered at X; its path is served besides `/callback`. */
  readonly redirectUri: string;
  readonly gpt: Config['gpt'];
  /** X usernames in lower case, or ids; empty: anyone may connect. */
  readonly allowedXUsers: readonly string[];
  /** Cookies and forms are signed with keys derived from it. */
  readonly secretKey: string;
  readonly redis: Redis;
  readonly accounts: AccountStore;
  readonly x: XApi;
  readonly oauth: XOAuth;
  readonly sealer: Sealer;
  readonly log: Log;
}

export interface SignIn {
  /** All sign-in routes. Reads request bodies itself: to be mounted before any body parser. */
  readonly routes: Middleware;
  /** Who an access token stands for; null when it is not a valid one of ours. */
  findCaller(accessToken: string): Promise<Caller | null>;
  /** Makes every token, code and grant of the account invalid at once. */
  revokeAccount(accountId: string): Promise<void>;
}

/** Our authorization server in front of X's. */
export async function createSignIn(options: SignInOptions): Promise<SignIn> {
  const { publicUrl, redis, accounts, oauth, log, secretKey } = options;
  const audiences = { rest: publicUrl, mcp: `${publicUrl}/mcp` };
  const store = createOidcStore(redis);
  const provider = createAuthorizationServer({
    publicUrl,
    audiences,
    gpt: options.gpt,
    cookieKey: deriveKey(secretKey, 'cookies'),
    store,
    accounts,
    renderError: createRenderError(log),
  });
  provider.on('server_error', (_ctx, err) => log.error({ err }, 'The authorization server failed'));
  const browserCookie = createBrowserCookie(publicUrl);
  const attempts = createAttempts(redis, options.sealer);
  const xSignIn = createXSignIn({ ...options, attempts, browserCookie });
  const desk = createTokenDesk({ provider, store, audiences, publicUrl });
  const xOrigin = new URL((await oauth.authorizationRequest()).url).origin;
  const csrfKey = deriveKey(secretKey, 'forms');
  const consent = createConsent({
    provider,
    desk,
    xSignIn,
    accounts,
    browserCookie,
    redis,
    csrfKey,
    xOrigin,
  });
  const endpoints = createTokenEndpoints({ provider, publicUrl, guesses: createSecretGuesses(redis), log });

  const metadata = async (ctx: Context) => {
    ctx.body = serverMetadata(publicUrl);
  };
  const callback = async (ctx: Context) => {
    const { purpose, outcome } = await xSignIn.finish(ctx);
    if (purpose.kind === 'client') return await consent.afterX(ctx, purpose, outcome);
    if (outcome instanceof SignInFault) throw outcome;
    await answerDirect(ctx, outcome, desk);
  };

  const tokens = { POST: endpoints.standard };
  const routes: Routes = new Map<string, Methods>([
    ['/startAuth', { GET: (ctx: Context) => startAuth(ctx, xSignIn) }],
    ['/callback', { GET: callback }],
    [new URL(options.redirectUri).pathname, { GET: callback }],
    ['/oauth/authorize', { GET: (ctx: Context) => authorize(ctx, provider) }],
    ['/oauth/authorize/:id', { GET: (ctx: Context) => authorize(ctx, provider) }],
    ['/oauth/consent/:id', { GET: consent.show, POST: consent.decide }],
    ['/oauth/token', tokens],
    ['/oauth/revoke', tokens],
    ['/oauth/refresh', { POST: endpoints.refresh }],
    ['/.well-known/oauth-authorization-server', { GET: metadata }],
  ]);
  const outside = asSeenFromOutside(provider, publicUrl);
  return {
    routes: serve(routes, (ctx, next) => outside(ctx, () => explainFaults(ctx, next))),
    findCaller: (accessToken) => desk.findCaller(accessToken),
    revokeAccount: (accountId) => store.revokeAccount(accountId),
  };
}

/** A failed sign-in as a page for people, as a problem for programs. */
const explainFaults: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    if (error instanceof AuthorizeRefusal)
      return refuseAuthorization(ctx, { error: error.error, status: 400 });
    if (!(error instanceof SignInFault)) throw error;
    if (!wantsPage(ctx)) throw faultProblem(error);
    sendPage(ctx, noticePage(faultNotice(error)));
  }
};
