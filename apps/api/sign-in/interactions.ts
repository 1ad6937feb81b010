import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { SignInFault } from './sign-in-fault.ts';

/** oidc-provider's note of an authorization request that waits for its user. */
export type Interaction = InstanceType<Provider['Interaction']>;

/** What oidc-provider has checked and kept of the authorization request. */
export interface AuthorizationParameters {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string | undefined;
  readonly prompt: readonly string[];
  /** Resource indicators (RFC 8707). */
  readonly resources: readonly string[];
}

export function parametersOf({ params }: Interaction): AuthorizationParameters {
  const text = (name: string) => (typeof params[name] === 'string' ? params[name] : undefined);
  return {
    clientId: text('client_id') ?? '',
    redirectUri: text('redirect_uri') ?? '',
    scope: text('scope'),
    prompt: (text('prompt') ?? '').split(' '),
    resources: [params.resource].flat().filter((value) => typeof value === 'string'),
  };
}

/** The interaction that this browser's cookie names. @throws SignInFault when there is none, or no more. */
export async function openInteraction(ctx: Context, provider: Provider): Promise<Interaction> {
  try {
    return await provider.interactionDetails(ctx.req, ctx.res);
  } catch (cause) {
    if (cause instanceof errors.SessionNotFound) throw new SignInFault('request_expired', { cause });
    throw cause;
  }
}

/** Leaves the result where oidc-provider looks for it, and goes there: it answers the client. */
export async function endInteraction(
  ctx: Context,
  interaction: Interaction,
  result: NonNullable<Interaction['result']>,
): Promise<void> {
  interaction.result = result;
  await interaction.persist();
  seeOther(ctx, interaction.returnTo);
}

/** What the client gets when its user says no. */
export const denied = { error: 'access_denied', error_description: 'the user did not allow it' };

/** 303 and never 307, which would send the form's fields along (RFC 9700 section 4.12). */
export function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.redirect(url);
}
