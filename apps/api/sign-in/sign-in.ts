import type { Redis } from 'ioredis';
import type { Context, Middleware } from 'koa';
import type { Provider } from 'oidc-provider';
import type { AccountStore } from '#libs/accounts/account-store.ts';
import type { Config } from '#libs/config/config.ts';
import type { Log } from '#libs/log/log.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import type { Sessions } from '../session.ts';
import { createAttempts } from './attempts.ts';
import { createAuthorizationServer } from './authorization-server.ts';
import { authorize, createRenderError } from './authorize.ts';
import { createBrowserCookie } from './browser.ts';
import type { FetchDocument } from './client-documents.ts';
import { type Consent, createConsent } from './consent.ts';
import { createConsentMemory } from './consent-memory.ts';
import { answerDirect, startAuth } from './direct-sign-in.ts';
import { explainFaults } from './explain-faults.ts';
import { createKnownDocuments } from './known-documents.ts';
import { createSignInLimits, type SignInLimits } from './limits.ts';
import { type ClientKinds, serverMetadata } from './metadata.ts';
import { createOidcStore } from './oidc-store.ts';
import { asSeenFromOutside, toPublicName } from './outside.ts';
import { register } from './register.ts';
import { type Methods, type Routes, serve } from './routes.ts';
import { deriveKey } from './secrets.ts';
import { SignInFault } from './sign-in-fault.ts';
import { createTokenEndpoints, type TokenEndpoints } from './token-dialects.ts';
import { type Caller, createTokenDesk, type TokenDesk } from './tokens.ts';
import { createXSignIn, type XSignIn } from './x-sign-in.ts';

export { xScopes as supportedScopes } from './scope.ts';
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
  /** Browsers that end a direct sign-in stay signed in to our pages. */
  readonly sessions: Sessions;
  /** What MCP clients need; null: that door is closed, and nobody gets tokens for it. */
  readonly mcp: { readonly dynamicRegistration: boolean } | null;
  /** Reads documents at addresses that clients name. */
  readonly fetchDocument: FetchDocument;
  readonly log: Log;
}

export interface SignIn {
  /** All sign-in routes. Reads request bodies itself: to be mounted before any body parser. */
  readonly routes: Middleware;
  /** Who an access token stands for; null when it is not a valid one of ours. */
  findCaller(accessToken: string): Promise<Caller | null>;
  /** Who it stood for when this process last looked, for whoever makes sure of its `standing`; null: look. */
  recallCaller(accessToken: string): Caller | null;
  /** Makes every token, code, grant and browser session of the account invalid at once. */
  revokeAccount(accountId: string): Promise<void>;
}

/** Our authorization server in front of X's. */
export async function createSignIn(options: SignInOptions): Promise<SignIn> {
  const { publicUrl, redis, accounts, oauth, log, secretKey } = options;
  const audiences = { rest: publicUrl, mcp: options.mcp === null ? null : `${publicUrl}/mcp` };
  const store = createOidcStore(redis);
  const renderError = createRenderError(log, options.gpt?.clientId);
  const cookieKey = deriveKey(secretKey, 'cookies');
  const limits = createSignInLimits(redis);
  const knownDocuments = createKnownDocuments(redis);
  const kinds = { documents: options.mcp !== null, registration: options.mcp?.dynamicRegistration ?? false };
  const provider = createAuthorizationServer({
    ...{ ...options, audiences, store, cookieKey, renderError, limits, kinds, knownDocuments },
  });
  provider.on('server_error', (_ctx, err) => log.error({ err }, 'The authorization server failed'));
  const browserCookie = createBrowserCookie(publicUrl);
  const attempts = createAttempts(redis, options.sealer);
  const xSignIn = createXSignIn({ ...options, attempts, browserCookie });
  const desk = createTokenDesk({ provider, store, accounts, audiences, publicUrl });
  const consent = createConsent({
    ...{ provider, desk, xSignIn, accounts, browserCookie },
    memory: createConsentMemory(redis, store),
    csrfKey: deriveKey(secretKey, 'forms'),
    xOrigin: new URL((await oauth.authorizationRequest()).url).origin,
  });
  const endpoints = createTokenEndpoints({ provider, publicUrl, limits, knownDocuments, log });
  const routes = signInRoutes({ ...options, provider, limits, xSignIn, desk, consent, endpoints, kinds });
  const outside = asSeenFromOutside(provider, publicUrl);
  return {
    routes: serve(routes, (ctx, next) => outside(ctx, () => explainFaults(ctx, next))),
    findCaller: (accessToken) => desk.findCaller(accessToken),
    recallCaller: (accessToken) => desk.recallCaller(accessToken),
    revokeAccount: async (accountId) => {
      await Promise.all([store.revokeAccount(accountId), options.sessions.revokeAccount(accountId)]);
    },
  };
}

interface Parts extends SignInOptions {
  readonly provider: Provider;
  readonly limits: SignInLimits;
  readonly xSignIn: XSignIn;
  readonly desk: TokenDesk;
  readonly consent: Consent;
  readonly endpoints: TokenEndpoints;
  readonly kinds: ClientKinds;
}

function signInRoutes({
  publicUrl,
  redirectUri,
  sessions,
  provider,
  limits,
  xSignIn,
  desk,
  consent,
  endpoints,
  kinds,
}: Parts): Routes {
  const callback = async (ctx: Context) => {
    const { purpose, outcome } = await xSignIn.finish(ctx);
    if (purpose.kind === 'client') return await consent.afterX(ctx, purpose, outcome);
    if (outcome instanceof SignInFault) throw outcome;
    await answerDirect(ctx, { account: outcome, returnTo: purpose.returnTo, desk, sessions });
  };
  const begin = (handle: (ctx: Context) => Promise<void>) => async (ctx: Context) => {
    if (toPublicName(ctx, publicUrl)) return;
    await limits.countStart(ctx);
    await handle(ctx);
  };
  const metadata = async (ctx: Context) => {
    ctx.body = serverMetadata(publicUrl, kinds);
  };
  return new Map<string, Methods>([
    ['/startAuth', { GET: begin((ctx) => startAuth(ctx, xSignIn)) }],
    ['/callback', { GET: callback }],
    [new URL(redirectUri).pathname, { GET: callback }],
    ['/oauth/authorize', { GET: begin((ctx) => authorize(ctx, provider)) }],
    ['/oauth/authorize/:id', { GET: (ctx) => authorize(ctx, provider) }],
    ['/oauth/consent/:id', { GET: consent.show, POST: consent.decide }],
    ['/oauth/token', { POST: endpoints.standard }],
    ['/oauth/revoke', { POST: endpoints.standard }],
    ['/oauth/refresh', { POST: endpoints.refresh }],
    ...(kinds.registration
      ? [['/oauth/register', { POST: (ctx: Context) => register(ctx, { provider, limits }) }] as const]
      : []),
    ['/.well-known/oauth-authorization-server', { GET: metadata, HEAD: metadata }],
  ]);
}
