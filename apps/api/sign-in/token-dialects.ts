import type { Context } from 'koa';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Log } from '#libs/log/log.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { BodyError, type Parameters, readParameters } from './body.ts';
import { isUnreadDocument } from './client-documents.ts';
import { ownClientId, ownRedirectUri } from './clients.ts';
import type { KnownDocuments } from './known-documents.ts';
import type { SignInLimits } from './limits.ts';
import { askWithBody } from './replay.ts';
import { plainResource } from './scope.ts';

export interface TokenEndpoints {
  /** `POST /oauth/token` and `POST /oauth/revoke`: forms by the standards, and JSON with the same names. */
  standard(ctx: Context): Promise<void>;
  /** `POST /oauth/refresh`: a refresh token alone is enough. */
  refresh(ctx: Context): Promise<void>;
}

interface TokenEndpointsOptions {
  readonly provider: Provider;
  readonly publicUrl: string;
  readonly limits: SignInLimits;
  readonly knownDocuments: KnownDocuments;
  readonly log: Log;
}

/**
 * What clients send, brought into the one form that the authorization server reads (RFC 6749 section 4.1.3 and 6).
 * Every answer is JSON by section 5.1 or 5.2 of RFC 6749.
 */
export function createTokenEndpoints(options: TokenEndpointsOptions): TokenEndpoints {
  const { publicUrl } = options;
  return {
    standard: (ctx) =>
      answer(ctx, options, (sent) => withDefaults(sent, { publicUrl, authenticated: hasBasicAuth(ctx) })),
    async refresh(ctx) {
      // Sent on by the server itself to where the standard request would have gone.
      ctx.path = '/oauth/token';
      await answer(ctx, options, (sent) => {
        const kept = sent.filter(([name]) => refreshParameters.has(name));
        return withDefaults([...kept, ['grant_type', 'refresh_token']], {
          publicUrl,
          authenticated: hasBasicAuth(ctx),
        });
      });
    },
  };
}

const refreshParameters = new Set(['refresh_token', 'client_id', 'client_secret', 'scope', 'resource']);

/** Fills in what may be left out: the kind of grant, and the own client of whoever names none. */
function withDefaults(
  sent: Parameters,
  { publicUrl, authenticated }: { readonly publicUrl: string; readonly authenticated: boolean },
): Parameters {
  const sentValue = (name: string) => sent.find(([sentName]) => sentName === name)?.[1];
  const isTokenRequest = sentValue('token') === undefined;
  const added: (readonly [string, string])[] = [];
  const add = (name: string, value: string) => sentValue(name) === undefined && added.push([name, value]);
  const kind = sentValue('grant_type') ?? inferredGrant(sentValue);
  if (isTokenRequest && kind !== undefined) add('grant_type', kind);
  // An assertion (RFC 7523) names its client itself.
  const isNamed = authenticated || sentValue('client_assertion') !== undefined;
  if (!isNamed) add('client_id', ownClientId);
  const isOwnClient = !isNamed && (sentValue('client_id') ?? ownClientId) === ownClientId;
  if (isOwnClient && kind === 'authorization_code') add('redirect_uri', ownRedirectUri(publicUrl));
  const plain = sent.map(
    ([name, value]) => [name, name === 'resource' ? plainResource(value) : value] as const,
  );
  return [...plain, ...added];
}

function inferredGrant(sentValue: (name: string) => string | undefined): string | undefined {
  if (sentValue('code') !== undefined) return 'authorization_code';
  return sentValue('refresh_token') === undefined ? undefined : 'refresh_token';
}

function hasBasicAuth(ctx: Context): boolean {
  return /^basic /i.test(ctx.get('authorization'));
}

/** The client of this answer may go on without its document. The tokens are given: nothing may hold them up. */
async function remember(ctx: Context, knownDocuments: KnownDocuments): Promise<void> {
  const clientId = clientOf(ctx);
  if (clientId?.startsWith('https:')) await knownDocuments.keep(clientId).catch(() => {});
}

/** Who asks, however the name was written (RFC 6749 section 2.3.1 has it encoded); undefined: nobody known. */
function clientOf(ctx: Context): string | undefined {
  return (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientId;
}

async function answer(
  ctx: Context,
  { provider, limits, knownDocuments, log }: TokenEndpointsOptions,
  translate: (sent: Parameters) => Parameters,
): Promise<void> {
  try {
    const parameters = translate(await readParameters(ctx));
    const named = parameters.find(([name]) => name === 'client_id')?.[1] ?? '';
    await askWithForm(provider, ctx, parameters);
    explainInvalidGrant(ctx);
    if (ctx.status === 401) await limits.countWrongSecret(ctx, clientOf(ctx) ?? named);
    // Its sign-in is as good as before: who hears `invalid_client` throws it away.
    if (ctx.status >= 500 || isUnreadDocument(Object(ctx.body).error_description)) tellOfTrouble(ctx);
    if (ctx.status === 200 && 'access_token' in Object(ctx.body)) await remember(ctx, knownDocuments);
  } catch (error) {
    if (error instanceof BodyError) refuseBody(ctx, error);
    else if (error instanceof ProblemError && error.kind.status === 503) tellOfTrouble(ctx);
    else throw error;
    log.debug({ reason: error.message, path: ctx.path }, 'A token request was not answered');
  }
  ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
}

function refuseBody(ctx: Context, { status, message }: BodyError): void {
  if (status === 413) ctx.set('Connection', 'close');
  ctx.status = status;
  ctx.body = { error: 'invalid_request', error_description: message };
}

/** The request again as a form. */
async function askWithForm(provider: Provider, ctx: Context, parameters: Parameters): Promise<void> {
  const { headers } = ctx.req;
  // The access token that is being replaced may come along; client authentication is another matter.
  if (/^bearer /i.test(headers.authorization ?? '')) delete headers.authorization;
  const text = new URLSearchParams(
    parameters.map(([name, value]): [string, string] => [name, value]),
  ).toString();
  await askWithBody(provider, ctx, { type: 'application/x-www-form-urlencoded', text });
}

/** oidc-provider does not say what may be wrong; a person or a model that reads it can do something with this. */
function explainInvalidGrant(ctx: Context): void {
  if (ctx.status !== 400 || Object(ctx.body).error !== 'invalid_grant') return;
  const error_description =
    'the code or refresh token is unknown, expired, revoked or was used before, or belongs to another client';
  ctx.body = { error: 'invalid_grant', error_description };
}

/** Redis is away, or worse: the provider's event has told the log. */
function tellOfTrouble(ctx: Context): void {
  ctx.status = 503;
  ctx.set('Retry-After', '5');
  ctx.body = { error: 'temporarily_unavailable', error_description: 'try again in a few seconds' };
}
