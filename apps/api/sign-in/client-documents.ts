import type { MediaFetcher } from '#libs/media/fetch-media.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { KnownDocuments } from './known-documents.ts';

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
 * client is who answers at its own address. Where nobody does, a client that has tokens is who it was.
 */
export function createDocumentFetch(fetchDocument: FetchDocument, known: KnownDocuments) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    const signal = init?.signal ?? undefined;
    let body: Buffer | string;
    try {
      ({ body } = await fetchDocument(url, { maxBytes: maxBytes.keys, signal, redirects: false }));
      if (isDocumentOf(url, body)) await known.renew(url, body);
    } catch (error) {
      if (hasAnswered(error)) await known.renew(url, Buffer.alloc(0));
      const last = await known.last(url);
      if (last === null) throw error;
      body = last;
    }
    return new Response(completed(body), {
      headers: { 'content-type': 'application/json', 'cache-control': `max-age=${cacheSeconds}` },
    });
  };
}

/** And not a page that a host shows in its place while it is being repaired. */
function isDocumentOf(url: string, body: Buffer): boolean {
  if (body.length > maxBytes.document) return false;
  try {
    return Object(JSON.parse(body.toString())).client_id === url;
  } catch {
    return false;
  }
}

/** Its host has spoken, and shows no such document (any more). */
function hasAnswered(error: unknown): boolean {
  const codes = ['media_not_found', 'media_redirect', 'media_too_large'];
  return error instanceof ProblemError && codes.includes(error.code);
}

/** A token request that failed because a document of its client could not be read, as oidc-provider words it. */
export function isUnreadDocument(description: unknown): boolean {
  return /^client_id metadata document fetch|JSON Web Key Set failed to be refreshed/.test(
    String(description),
  );
}

/** What a client may say of itself and what then counts; everything else is the same for everybody, or never used. */
const counts = [
  ...['client_id', 'client_name', 'redirect_uris'],
  // Refused where they stand.
  ...['client_secret', 'client_secret_expires_at'],
];
/** Of clients that prove who they are; others may name what they would sign with, and never do. */
const countsForProofs = ['token_endpoint_auth_signing_alg', 'jwks', 'jwks_uri'];

/**
 * The same text; but of a document of a client only what counts, which has to be right, and what it left out: that it has
 * no secret, what kind of application it is, and that it refreshes its tokens (a sign-in every hour is nobody's wish).
 */
function completed(body: Buffer | string): string {
  let document: unknown;
  try {
    document = JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
  if (typeof document !== 'object' || document === null || !('redirect_uris' in document))
    return body.toString();
  const said = new Map(Object.entries(document).filter(([, value]) => value !== null && value !== ''));
  const uris = said.get('redirect_uris');
  const method = said.get('token_endpoint_auth_method') ?? 'none';
  const counting = method === 'none' ? counts : [...counts, ...countsForProofs];
  const grants = said.get('grant_types');
  const refreshes = !Array.isArray(grants) || grants.includes('refresh_token');
  return JSON.stringify({
    ...Object.fromEntries([...said].filter(([name]) => counting.includes(name))),
    ...(Array.isArray(uris) ? { redirect_uris: uris.filter(mayCallBack) } : {}),
    token_endpoint_auth_method: method,
    grant_types: ['authorization_code', ...(refreshes ? ['refresh_token'] : [])],
    response_types: ['code'],
    application_type: applicationTypeOf(uris),
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

/** Schemes of browsers and systems, and those that any web site may take for itself (HTML, `registerProtocolHandler`). */
const schemesOfOthers = new Set(
  [
    'about bitcoin blob chrome data file filesystem ftp ftps geo im intent irc ircs javascript',
    'magnet mailto matrix mms news nntp openpgp4fpr sftp sip sms smsto ssh tel urn vbscript',
    'view-source webcal ws wss wtai xmpp',
  ]
    .join(' ')
    .split(' '),
);

/** Whether codes may be sent there: over https, to this device, or to an application by a scheme of its own (RFC 8252, 7.1). */
export function mayCallBack(uri: unknown): boolean {
  // As browsers read it: within a scheme they pass over tabs and the like.
  const scheme = (URL.parse(String(uri))?.protocol ?? '').slice(0, -1);
  return !schemesOfOthers.has(scheme) && !/^(?:web\+|ms-)/.test(scheme);
}
