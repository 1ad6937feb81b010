import * as openid from 'openid-client';
import { toXAnswerError } from './answer.ts';
import { XUnreachableError } from './errors.ts';
import { exchange } from './request.ts';

/** What X hands out for one account. */
export interface TokenSet {
  readonly accessToken: string;
  /** Works once. null: X gave none (no `offline.access`). */
  readonly refreshToken: string | null;
  /** End of the access token, epoch ms by our clock. */
  readonly expiresAt: number;
  /** How long X let the access token live when it gave it, ms. Absent: not known any more. */
  readonly lifetimeMs?: number | undefined;
  /** What X granted, maybe less than was asked. Empty: X did not say. */
  readonly scope: readonly string[];
}

/**
 * Our OAuth 2.0 client at X (docs.x.com, OAuth 2.0 Authorization Code Flow with PKCE). Each call sends one request
 * and fails with XAnswerError (its `oauthError` as in RFC 6749 section 5.2) or XUnreachableError.
 */
export interface XOAuth {
  /** Where to send the user. `state` and `codeVerifier` are for the callback, and secret until then. */
  authorizationRequest(): Promise<{
    readonly url: string;
    readonly state: string;
    readonly codeVerifier: string;
  }>;
  exchange(callback: { readonly code: string; readonly codeVerifier: string }): Promise<TokenSet>;
  /** Uses the refresh token up. There is no way to give it up midway: a lost answer may lose the account. */
  refresh(refreshToken: string): Promise<TokenSet>;
  revoke(token: string, hint: 'access_token' | 'refresh_token'): Promise<void>;
}

export interface XOAuthOptions {
  readonly apiUrl: string;
  readonly authorizeUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly timeoutMs?: number | undefined;
  readonly now?: (() => number) | undefined;
}

/** What we ask of every user: reading back and posting, media, and a refresh token. */
export const requestedScope = [
  'tweet.read',
  'tweet.write',
  'users.read',
  'media.write',
  'offline.access',
] as const;

const defaultLifetimeSeconds = 7200;

/** Opens our client at X. It keeps no connection. */
export function createXOAuth(options: XOAuthOptions): XOAuth {
  const { redirectUri, timeoutMs = 30_000, now = Date.now } = options;
  /** Runs one call of openid-client, and turns whatever it makes of X's answer back into our two errors. */
  async function ask<T>(call: (configuration: openid.Configuration) => Promise<T>): Promise<T> {
    let failure: unknown;
    const configuration = configure(options, async (url, request) => {
      try {
        return await toFetch(url, request, timeoutMs);
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    try {
      return await call(configuration);
    } catch (cause) {
      throw failure ?? new XUnreachableError("X's answer could not be read", { sent: true, cause });
    }
  }
  const toTokenSet = (response: openid.TokenEndpointResponse, askedAt: number): TokenSet => ({
    accessToken: response.access_token,
    refreshToken: response.refresh_token ?? null,
    expiresAt: askedAt + (response.expires_in ?? defaultLifetimeSeconds) * 1000,
    lifetimeMs: (response.expires_in ?? defaultLifetimeSeconds) * 1000,
    scope: response.scope?.split(' ').filter(Boolean) ?? [],
  });
  return {
    async authorizationRequest() {
      const [state, codeVerifier] = [openid.randomState(), openid.randomPKCECodeVerifier()];
      const url = openid.buildAuthorizationUrl(configure(options), {
        redirect_uri: redirectUri,
        scope: requestedScope.join(' '),
        state,
        code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
      });
      // X takes spaces as %20, not as the + of forms.
      url.search = url.search.replaceAll('+', '%20');
      return { url: url.href, state, codeVerifier };
    },
    async exchange({ code, codeVerifier }) {
      const askedAt = now();
      const parameters = { code, redirect_uri: redirectUri, code_verifier: codeVerifier };
      return toTokenSet(
        await ask((configuration) =>
          openid.genericGrantRequest(configuration, 'authorization_code', parameters),
        ),
        askedAt,
      );
    },
    async refresh(refreshToken) {
      const askedAt = now();
      const tokenSet = toTokenSet(
        await ask((configuration) => openid.refreshTokenGrant(configuration, refreshToken)),
        askedAt,
      );
      // RFC 6749 section 6: without a new one the old one stays.
      return { ...tokenSet, refreshToken: tokenSet.refreshToken ?? refreshToken };
    },
    revoke: (token, hint) =>
      ask((configuration) => openid.tokenRevocation(configuration, token, { token_type_hint: hint })),
  };
}

/** X publishes no metadata that could be discovered. */
function configure(options: XOAuthOptions, customFetch?: openid.CustomFetch): openid.Configuration {
  const api = options.apiUrl.replace(/\/+$/, '');
  const configuration = new openid.Configuration(
    {
      issuer: api,
      authorization_endpoint: options.authorizeUrl,
      token_endpoint: `${api}/2/oauth2/token`,
      revocation_endpoint: `${api}/2/oauth2/revoke`,
    },
    options.clientId,
    undefined,
    basicAuthentication(options),
  );
  if (customFetch) configuration[openid.customFetch] = customFetch;
  if (new URL(api).protocol === 'http:') openid.allowInsecureRequests(configuration);
  return configuration;
}

/**
 * Basic, with the id in the body as well: X has asked for either. The credentials go as they are, because X does not
 * undo the form encoding of RFC 6749 section 2.3.1, and its secrets contain characters that it would change.
 */
function basicAuthentication({ clientId, clientSecret }: XOAuthOptions): openid.ClientAuth {
  return (_server, _client, body, headers) => {
    const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    headers.set('authorization', `Basic ${credentials}`);
    body.set('client_id', clientId);
  };
}

/** openid-client's request as an exchange of ours, on a connection of its own. */
async function toFetch(
  url: string,
  request: openid.CustomFetchOptions,
  timeoutMs: number,
): Promise<Response> {
  const body = request.body instanceof URLSearchParams ? request.body.toString() : String(request.body ?? '');
  const response = await exchange({
    method: 'POST',
    url: new URL(url),
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8', ...request.headers },
    body,
    timeoutMs,
  });
  if (response.status < 200 || response.status > 299) throw toXAnswerError(response);
  if (response.cut) throw new XUnreachableError("X's answer broke off", { sent: true, cause: response.cut });
  // openid-client expects 200 and a JSON content type; a token must not be lost over a header.
  return new Response(new Uint8Array(response.body), {
    status: 200,
    headers: { 'content-type': 'application/json' },
  });
}
