import type { MediaFetcher } from '#libs/media/fetch-media.ts';

/** As the draft of client id metadata documents recommends (5 KB), with room for sets of keys. */
const maxBytes = { document: 5 * 1024, keys: 32 * 1024 };

/** The largest documents, by the names that oidc-provider has for them. */
export const documentLimits = {
  'client_id metadata document': maxBytes.document,
  jwks_uri: maxBytes.keys,
};

/** How long a client's document or keys are believed without a new look. */
const cacheSeconds = 600;

export type FetchDocument = MediaFetcher['fetchDocument'];

/**
 * The one way in which the authorization server fetches anything: documents that clients name (client id metadata
 * documents, RFC 7517 key sets), past the guard of all addresses that strangers choose, and without redirects: a
 * client is who answers at its own address.
 */
export function createDocumentFetch(fetchDocument: FetchDocument) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    const signal = init?.signal ?? undefined;
    const { body } = await fetchDocument(url, { maxBytes: maxBytes.keys, signal, redirects: false });
    return new Response(completed(body), {
      headers: { 'content-type': 'application/json', 'cache-control': `max-age=${cacheSeconds}` },
    });
  };
}

/**
 * The same bytes, but a document of a client says what kind of application it is, and that it refreshes its tokens
 * where it does not say what it does: a sign-in every hour is nobody's wish.
 */
function completed(body: Buffer): Uint8Array<ArrayBuffer> | string {
  let document: unknown;
  try {
    document = JSON.parse(body.toString());
  } catch {
    return Uint8Array.from(body);
  }
  if (typeof document !== 'object' || document === null || !('redirect_uris' in document))
    return Uint8Array.from(body);
  return JSON.stringify({
    grant_types: ['authorization_code', 'refresh_token'],
    ...document,
    application_type: applicationTypeOf(document.redirect_uris),
  });
}

/**
 * Clients rarely say it, and may say it wrongly: whoever is called back anywhere but over https is an application on
 * the user's machine, to which RFC 8252 applies (any port of the loopback address, no plain http elsewhere).
 */
export function applicationTypeOf(redirectUris: unknown): 'native' | 'web' {
  const uris = Array.isArray(redirectUris) ? redirectUris : [];
  return uris.every((uri) => typeof uri === 'string' && /^https:/i.test(uri)) ? 'web' : 'native';
}
