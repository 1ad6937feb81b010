import { xScopes } from './scope.ts';

/** Signatures by which clients may prove who they are (`private_key_jwt`, RFC 7523). */
export const clientSigningAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** How clients may introduce themselves, besides the ones that this server was told of. */
export interface ClientKinds {
  /** By a document at the https URL that is their `client_id`. */
  readonly documents: boolean;
  /** By `POST /oauth/register` (RFC 7591). */
  readonly registration: boolean;
}

/** RFC 8414. Only what exists here: oidc-provider's own document would also announce OpenID Connect. */
export function serverMetadata(publicUrl: string, kinds: ClientKinds): object {
  // `none` besides `private_key_jwt`: some clients look for the one, some take the other where both are named.
  const methods = ['client_secret_basic', 'client_secret_post', 'none'];
  const authentication = kinds.documents ? [...methods, 'private_key_jwt'] : methods;
  const signing = kinds.documents ? [...clientSigningAlgorithms] : undefined;
  return {
    issuer: publicUrl,
    authorization_endpoint: `${publicUrl}/oauth/authorize`,
    token_endpoint: `${publicUrl}/oauth/token`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    ...(kinds.registration ? { registration_endpoint: `${publicUrl}/oauth/register` } : {}),
    scopes_supported: xScopes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: authentication,
    token_endpoint_auth_signing_alg_values_supported: signing,
    revocation_endpoint_auth_methods_supported: authentication,
    revocation_endpoint_auth_signing_alg_values_supported: signing,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    ...(kinds.documents ? { client_id_metadata_document_supported: true } : {}),
  };
}
