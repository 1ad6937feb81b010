import { generateKeyPairSync } from 'node:crypto';
import {
  type Configuration,
  errors,
  interactionPolicy,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import type { AccountStore } from '#libs/accounts/account-store.ts';
import type { Config } from '#libs/config/config.ts';
import { createDocumentFetch, documentLimits, type FetchDocument } from './client-documents.ts';
import { ownClientId, registeredClients } from './clients.ts';
import { refreshTokenSeconds } from './grants.ts';
import type { KnownDocuments } from './known-documents.ts';
import type { SignInLimits } from './limits.ts';
import { type ClientKinds, clientSigningAlgorithms } from './metadata.ts';
import type { OidcStore } from './oidc-store.ts';
import { reach } from './reach.ts';
import { plainResource, xScopes } from './scope.ts';

/** What an access token is good for (RFC 8707): an absolute URI each. */
export interface Audiences {
  readonly rest: string;
  /** null while that door is closed. */
  readonly mcp: string | null;
}

/** Lifetimes in seconds. The one-time code of `/callback` is carried by hand, other codes by a redirect. */
const seconds = {
  accessToken: 3600,
  code: 60,
  oneTimeCode: 300,
  interaction: 1800,
  refreshToken: 90 * 86_400,
};

export interface AuthorizationServerOptions {
  readonly publicUrl: string;
  readonly audiences: Audiences;
  readonly gpt: Config['gpt'];
  readonly cookieKey: string;
  readonly store: OidcStore;
  readonly accounts: AccountStore;
  readonly renderError: NonNullable<Configuration['renderError']>;
  readonly kinds: ClientKinds;
  /** Where clients' documents are read. */
  readonly fetchDocument: FetchDocument;
  readonly limits: SignInLimits;
  readonly knownDocuments: KnownDocuments;
}

/**
 * The OAuth 2.0 authorization server (RFC 6749, 7636, 8707, 9207): no OpenID Connect, opaque tokens only.
 * @throws Error when the GPT has the name of the own client.
 */
export function createAuthorizationServer(options: AuthorizationServerOptions): Provider {
  if (options.gpt?.clientId === ownClientId)
    throw new Error(`GPT_CLIENT_ID: ${ownClientId} is taken, choose another`);
  const { publicUrl, gpt } = options;
  return new Provider(publicUrl, {
    adapter: options.store.adapter,
    clients: registeredClients(publicUrl, gpt),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: [
      ...(['client_secret_basic', 'client_secret_post', 'none'] as const),
      ...(options.kinds.documents ? (['private_key_jwt'] as const) : []),
    ],
    enabledJWA: { clientAuthSigningAlgValues: [...clientSigningAlgorithms] },
    fetch: createDocumentFetch(options.fetchDocument, options.knownDocuments),
    fetchResponseBodyLimits: documentLimits,
    responseTypes: ['code'],
    scopes: [...xScopes],
    claims: {},
    cookies: cookies(options),
    jwks: { keys: [unusedSigningKey()] },
    features: features(options),
    // ChatGPT's Actions know no PKCE (RFC 7636); a challenge that was sent counts for them too.
    pkce: { required: (_ctx, client) => client.clientId !== gpt?.clientId },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientBasedCORS: () => false,
    interactions: {
      url: async (_ctx, interaction) => `/oauth/consent/${interaction.uid}`,
      policy: alwaysAtX(),
    },
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      revocation: '/oauth/revoke',
      registration: '/oauth/register',
    },
    renderError: options.renderError,
    ...tokenRules(options),
  });
}

/** How long things live, and what ends them. */
function tokenRules({ store, accounts }: AuthorizationServerOptions): Configuration {
  return {
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: (ctx) => rotateOrExtend(ctx, store),
    expiresWithSession: async () => false,
    revokeGrantPolicy: () => true,
    loadExistingGrant: grantOfConsent,
    findAccount: async (_ctx, accountId) =>
      (await reach(() => accounts.find(accountId)))
        ? { accountId, claims: async () => ({ sub: accountId }) }
        : undefined,
    ttl: {
      AccessToken: seconds.accessToken,
      AuthorizationCode: (_ctx, _code, client) =>
        client.clientId === ownClientId ? seconds.oneTimeCode : seconds.code,
      RefreshToken: refreshTokenSeconds,
      // The store ends a grant with its last refresh token; this only has to be later.
      Grant: 3650 * 86_400,
      Interaction: seconds.interaction,
      Session: seconds.interaction,
    },
  };
}

function cookies({ publicUrl, cookieKey }: AuthorizationServerOptions): Configuration['cookies'] {
  const secure = publicUrl.startsWith('https:');
  const cookie = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const;
  return {
    names: { session: 'post-to-x-session', interaction: 'post-to-x-consent', resume: 'post-to-x-resume' },
    keys: [cookieKey],
    long: cookie,
    short: cookie,
  };
}

function features({
  audiences,
  kinds,
  limits,
  knownDocuments,
}: AuthorizationServerOptions): Configuration['features'] {
  const off = { enabled: false };
  return {
    devInteractions: off,
    dPoP: off,
    pushedAuthorizationRequests: off,
    rpInitiatedLogout: off,
    userinfo: off,
    clientIdMetadataDocument: {
      enabled: kinds.documents,
      ack: 'draft-02',
      // What strangers ask for from the same address takes nobody's place who has tokens.
      allowFetch: async (ctx, clientId) =>
        (await knownDocuments.has(clientId))
          ? await limits.mayFetchKnownDocument(clientId)
          : await limits.mayFetchDocument(ctx),
    },
    // Without a management API (RFC 7592): whoever wants something else registers again.
    registration: {
      enabled: kinds.registration,
      initialAccessToken: false,
      issueRegistrationAccessToken: false,
    },
    revocation: {
      enabled: true,
      allowedPolicy: async (_ctx, client, token) => {
        if (token.clientId === client.clientId) return true;
        // Not silently (RFC 7009 section 2.1): the token lives on.
        throw new errors.UnauthorizedClient('the token belongs to another client, and was not revoked');
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (_ctx, _client, oneOf) => oneOf?.[0] ?? audiences.rest,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_ctx, resource) => {
        const audience = audienceOf(resource, audiences);
        if (audience === null) throw new errors.InvalidTarget('this resource is not served here');
        return { scope: xScopes.join(' '), audience, accessTokenFormat: 'opaque' };
      },
    },
  };
}

/** The audience that a resource indicator names. */
function audienceOf(resource: string, audiences: Audiences): string | null {
  const plain = plainResource(resource);
  return Object.values(audiences).find((audience) => audience === plain) ?? null;
}

/** What the user has just allowed, and nothing from before: there is no session. */
async function grantOfConsent({ oidc }: KoaContextWithOIDC) {
  const grantId = oidc.result?.consent?.grantId;
  if (grantId === undefined) return undefined;
  const grant = await oidc.provider.Grant.find(grantId);
  if (!grant) throw new errors.AccessDenied('the account was disconnected meanwhile');
  return grant;
}

/**
 * Public clients get a new refresh token with every refresh (RFC 9700 section 4.14.2). A client with a secret keeps
 * its own, which lives on from each use: ChatGPT may refresh twice at once, and must never lose the account by it.
 */
async function rotateOrExtend({ oidc }: KoaContextWithOIDC, store: OidcStore): Promise<boolean> {
  if (oidc.client?.clientAuthMethod === 'none') return true;
  if (oidc.entities.RefreshToken) await store.extendRefreshToken(oidc.entities.RefreshToken.jti);
  return false;
}

/** Who the user is, X says: each time anew, because one browser may serve several accounts. */
function alwaysAtX(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  const login = policy.get('login');
  login?.checks.clear();
  login?.checks.add(
    new interactionPolicy.Check(
      'at_x',
      'the user signs in at X',
      'login_required',
      ({ oidc }) => !oidc.result?.login,
    ),
  );
  return policy;
}

/** oidc-provider wants a key; nothing is ever signed with it, as there are no ID tokens. */
function unusedSigningKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' };
}
