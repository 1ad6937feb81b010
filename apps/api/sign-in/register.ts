import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { z } from 'zod';
import { ProblemError } from '#libs/problem/problem.ts';
import { readJsonBody } from '../json-body.ts';
import { applicationTypeOf } from './client-documents.ts';
import type { SignInLimits } from './limits.ts';
import { askWithBody } from './replay.ts';

/** What of a client's wishes counts; the rest is the same for everybody. */
const Registration = z.object({
  redirect_uris: z
    .array(z.string().max(1000, 'every redirect URI must have at most 1000 characters'))
    .min(1, 'at least one redirect URI is needed')
    .max(10, 'at most 10 redirect URIs'),
  client_name: z.string().trim().max(100, 'client_name must have at most 100 characters').optional(),
});

/**
 * `POST /oauth/register` (RFC 7591): a public client with PKCE, whatever it asks for, so that no secret has to be kept
 * for anybody who comes along. It is forgotten after a day, or after its last sign-in has ended.
 */
export async function register(
  ctx: Context,
  { provider, limits }: { readonly provider: Provider; readonly limits: SignInLimits },
): Promise<void> {
  await limits.countRegistration(ctx);
  ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
  const read = Registration.safeParse(await readWishes(ctx));
  if (!read.success) return refuse(ctx, read.error.issues.map(({ message }) => message).join('; '));
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
}

async function readWishes(ctx: Context): Promise<unknown> {
  try {
    return await readJsonBody(ctx.req);
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'bad_request') return null;
    throw error;
  }
}

function refuse(ctx: Context, description: string): void {
  ctx.status = 400;
  ctx.body = { error: 'invalid_client_metadata', error_description: description };
}
