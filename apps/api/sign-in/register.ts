import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { z } from 'zod';
import { type FieldError, ProblemError } from '#libs/problem/problem.ts';
import { toFieldErrors } from '../field-errors.ts';
import { readJsonBody } from '../json-body.ts';
import { toErrorDescription } from './body.ts';
import { applicationTypeOf, mayCallBack } from './client-documents.ts';
import type { SignInLimits } from './limits.ts';
import { askWithBody } from './replay.ts';

/** What of a client's wishes counts; the rest is the same for everybody. */
const Registration = z.object(
  {
    redirect_uris: z
      .array(
        z
          .string('must be an address')
          .max(1000, 'must have at most 1000 characters')
          .refine((uri) => !hasUserinfo(uri), 'must hold no user name and no password')
          .refine(mayCallBack, 'must lead to https, to this device, or to a program by a scheme of its own'),
        'must be an array of addresses',
      )
      .min(1, 'at least one is needed')
      .max(10, 'at most 10'),
    client_name: z.string('must be a string').trim().max(100, 'must have at most 100 characters').nullish(),
  },
  'must be a JSON object',
);

/** Such an address looks like one of another host. */
function hasUserinfo(uri: string): boolean {
  const { username, password } = URL.parse(uri) ?? {};
  return Boolean(username || password);
}

/** What clients are told of themselves: oidc-provider also knows what belongs to OpenID Connect. */
const told = [
  'client_id',
  'client_id_issued_at',
  'client_name',
  'redirect_uris',
  'token_endpoint_auth_method',
  'grant_types',
  'response_types',
  'application_type',
];

/**
 * `POST /oauth/register` (RFC 7591): a public client with PKCE, whatever it asks for, so that no secret has to be kept
 * for anybody who comes along. It is forgotten after a day, or after its last sign-in has ended.
 */
export async function register(
  ctx: Context,
  { provider, limits }: { readonly provider: Provider; readonly limits: SignInLimits },
): Promise<void> {
  ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
  const sent = await readWishes(ctx);
  if (sent instanceof ProblemError)
    return refuse(ctx, 'invalid_client_metadata', toErrorDescription(sent.detail));
  const read = Registration.safeParse(sent);
  if (!read.success) return refuseWishes(ctx, toFieldErrors(read.error));
  await limits.countRegistration(ctx);
  const { redirect_uris, client_name } = read.data;
  const wishes = {
    redirect_uris,
    ...(client_name ? { client_name } : {}),
    application_type: applicationTypeOf(redirect_uris),
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  };
  await askWithBody(provider, ctx, { type: 'application/json', text: JSON.stringify(wishes) });
  if (ctx.status === 201)
    ctx.body = Object.fromEntries(Object.entries(Object(ctx.body)).filter(([name]) => told.includes(name)));
}

/** The body; what is wrong with it where it is no JSON. */
async function readWishes(ctx: Context): Promise<unknown> {
  try {
    return await readJsonBody(ctx.req);
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'bad_request') return error;
    throw error;
  }
}

/** RFC 7591 section 3.2.2. */
function refuseWishes(ctx: Context, errors: readonly FieldError[]): void {
  const isAboutUris = errors.every(({ field }) => field.startsWith('redirect_uris'));
  const description = errors.map(({ field, message }) =>
    field === 'body' ? `the body ${message}` : `${field}: ${message}`,
  );
  refuse(ctx, isAboutUris ? 'invalid_redirect_uri' : 'invalid_client_metadata', description.join('; '));
}

function refuse(ctx: Context, error: string, description: string): void {
  ctx.status = 400;
  ctx.body = { error, error_description: description };
}
