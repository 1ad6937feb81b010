import type { Context } from 'koa';
import type { Configuration, Provider } from 'oidc-provider';
import type { Log } from '#libs/log/log.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { sendPage, wantsPage } from '../pages/page.ts';
import { type NoticeView, noticePage } from '../pages/sign-in-pages.ts';
import { ownClientId } from './clients.ts';
import { askProvider } from './outside.ts';
import { plainResource, planScope } from './scope.ts';

const sessionCookie = /^post-to-x-session(\.sig)?=/;

/** `GET /oauth/authorize` and its second half after the consent: oidc-provider's, with what clients leave out. */
export async function authorize(ctx: Context, provider: Provider): Promise<void> {
  if (ctx.path === '/oauth/authorize') checkRequest(ctx);
  // No session: X says anew who the user is, and one browser may serve several accounts.
  ctx.req.headers.cookie = (ctx.req.headers.cookie ?? '')
    .split(/; */)
    .filter((cookie) => !sessionCookie.test(cookie))
    .join('; ');
  await askProvider(provider, ctx);
  // A space as %20 is understood by every decoder, as + only by those of forms: `state` has to come back unharmed.
  const [address, query] = headerLines(ctx, 'Location')[0]?.split('?') ?? [];
  if (query !== undefined) ctx.set('Location', `${address}?${query.replaceAll('+', '%20')}`);
  const cookies = headerLines(ctx, 'Set-Cookie');
  if (cookies.length > 0)
    ctx.set(
      'Set-Cookie',
      cookies.filter((cookie) => !sessionCookie.test(cookie)),
    );
}

function headerLines(ctx: Context, name: string): string[] {
  return [ctx.res.getHeader(name) ?? []].flat().map(String);
}

/** Parameters of OpenID Connect mean nothing here and are ignored (RFC 6749 section 3.1), where oidc-provider refuses them. */
const openIdParameters = new Set([
  'nonce',
  'max_age',
  'acr_values',
  'claims',
  'claims_locales',
  'id_token_hint',
]);

/** What is refused on a page of ours before oidc-provider would answer it with a redirect, and the default scope. */
function checkRequest(ctx: Context): void {
  const { response_type, response_mode, client_id, scope, resource } = ctx.query;
  if (response_type !== 'code') throw new AuthorizeRefusal('unsupported_response_type');
  if (response_mode !== undefined && response_mode !== 'query')
    throw new AuthorizeRefusal('unsupported_response_mode');
  if (client_id === ownClientId) throw new AuthorizeRefusal('invalid_client');
  const kept = Object.entries(ctx.query).filter(([name]) => !openIdParameters.has(name));
  const planned = Array.isArray(scope) ? [] : planScope(scope);
  ctx.query = {
    ...Object.fromEntries(kept),
    ...(planned.length > 0 && { scope: planned.join(' ') }),
    ...(typeof resource === 'string' && { resource: plainResource(resource) }),
  };
}

/** A request that must not even be answered with a redirect. */
export class AuthorizeRefusal extends Error {
  readonly error: string;
  constructor(error: string) {
    super(`authorization request refused: ${error}`);
    this.name = 'AuthorizeRefusal';
    this.error = error;
  }
}

/** Shows why an authorization request goes nowhere; a redirect URI that is not registered is named. */
export function createRenderError(
  log: Log,
  gptClientId: string | undefined,
): NonNullable<Configuration['renderError']> {
  return async (ctx, out, error) => {
    if (error instanceof ProblemError) throw error;
    const redirectUri = textOf(ctx.query.redirect_uri);
    const clientId = textOf(ctx.query.client_id);
    const isGpt = clientId !== undefined && clientId === gptClientId;
    const hint = redirectUri !== undefined && out.error === 'invalid_redirect_uri' ? adviceFor(isGpt) : '';
    log.warn({ clientId, redirectUri, reason: out.error }, `${explain(out.error)} ${hint}`.trim());
    refuseAuthorization(ctx, {
      error: out.error,
      status: error instanceof Error && 'status' in error ? Number(error.status) : 400,
      redirectUri,
      isGpt,
    });
  };
}

/** The same page for what was refused here and for what oidc-provider refused. */
export function refuseAuthorization(
  ctx: Context,
  {
    error,
    status,
    redirectUri,
    isGpt = false,
  }: {
    readonly error: string;
    readonly status: number;
    readonly redirectUri?: string | undefined;
    readonly isGpt?: boolean;
  },
): void {
  if (wantsPage(ctx)) {
    sendPage(ctx, noticePage(noticeFor(error, status, { redirectUri, isGpt })));
    return;
  }
  ctx.status = status;
  ctx.body = { error, error_description: explain(error) };
}

function noticeFor(
  error: string,
  status: number,
  { redirectUri, isGpt }: { readonly redirectUri: string | undefined; readonly isGpt: boolean },
): NoticeView {
  if (error === 'invalid_redirect_uri' && redirectUri)
    return {
      status,
      title: 'This address is not registered',
      text: 'An assistant asked to be called back at an address that this server does not know:',
      value: redirectUri,
      advice: adviceFor(isGpt),
    };
  return {
    status,
    title: 'This sign-in cannot go on',
    text: explain(error),
    advice:
      'Go back to where you came from and start again. If it fails again, tell whoever runs this server.',
  };
}

/** The GPT's addresses stand in our settings, those of any other client are its own to name. */
function adviceFor(isGpt: boolean): string {
  return isGpt
    ? 'If you run this server and this is your GPT, add the address to GPT_REDIRECT_URIS (comma separated) and restart. ChatGPT changes it when the sign-in settings of a GPT are edited.'
    : 'Whoever makes the assistant has to name this address in its metadata document, or register it with the assistant. Connect it anew if it has changed.';
}

function explain(error: string): string {
  return explanations[error] ?? 'The request of the assistant is not valid.';
}

const explanations: Record<string, string> = {
  invalid_redirect_uri: 'The redirect_uri is not registered for this client.',
  invalid_client: 'The assistant is not known to this server (client_id).',
  unsupported_response_type: 'Only response_type=code is supported.',
  unsupported_response_mode: 'Only response_mode=query is supported.',
  invalid_request: 'The request of the assistant is incomplete or not valid.',
  server_error: 'Something went wrong on this server.',
};

/** Capped, for pages and logs. */
function textOf(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value.join(' ') : value;
  return text?.slice(0, 500);
}
