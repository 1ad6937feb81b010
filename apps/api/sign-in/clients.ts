import type { ClientMetadata } from 'oidc-provider';
import type { Config } from '#libs/config/config.ts';

/** The client of whoever signs in with `/startAuth` alone: no secret, and no way through `/oauth/authorize`. */
export const ownClientId = 'post-to-x-direct';

/** The clients that need no registration: the own one, and the GPT where there is one. */
export function registeredClients(publicUrl: string, gpt: Config['gpt']): readonly ClientMetadata[] {
  return [ownClient(publicUrl), terminalClient, ...gptClients(gpt)];
}

/**
 * The client in `apps/client`: on the user's machine, so without a secret, and called back at a port of this machine
 * that it picks each time (RFC 8252 section 7.3).
 */
const terminalClient = {
  client_id: 'post-to-x-terminal',
  client_name: 'the terminal client of post-to-x',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback'],
} as const satisfies ClientMetadata;

function ownClient(publicUrl: string): ClientMetadata {
  return {
    client_id: ownClientId,
    client_name: 'post-to-x',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [ownRedirectUri(publicUrl)],
  };
}

/** What a one-time code is bound to; nothing is ever redirected there. */
export function ownRedirectUri(publicUrl: string): string {
  return `${publicUrl}/callback`;
}

function gptClients(gpt: Config['gpt']): ClientMetadata[] {
  if (!gpt) return [];
  return [
    {
      client_id: gpt.clientId,
      client_secret: gpt.clientSecret,
      client_name: 'ChatGPT',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [...gpt.redirectUris],
    },
  ];
}
