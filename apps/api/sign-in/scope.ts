import { requestedScope } from '#libs/x-api/oauth.ts';

/** The scopes that our own tokens can carry: X's, as far as this server asks for them. */
export const xScopes: readonly string[] = requestedScope;

/** What X needs for a post with media (docs.x.com, OAuth 2.0: scopes of POST /2/tweets and of media upload). */
const postingScopes = ['tweet.read', 'tweet.write', 'users.read', 'media.write'];

/**
 * The scopes that a client's request comes to. None asked for: all. Whoever may post may do so with media, because
 * X's older instructions (and so many clients) do not know `media.write`. Refreshing is always possible.
 * Empty: nothing that was asked for exists here.
 */
export function planScope(requested: string | undefined): readonly string[] {
  const asked = (requested ?? '').split(' ').filter(Boolean);
  if (asked.length === 0) return xScopes;
  const known = new Set(asked.filter((scope) => xScopes.includes(scope)));
  if (known.size === 0) return [];
  if (known.has('tweet.write') || known.has('media.write'))
    for (const scope of postingScopes) known.add(scope);
  known.add('offline.access');
  return xScopes.filter((scope) => known.has(scope));
}

/** A resource indicator (RFC 8707) as it is known here: a slash at its end does not matter. */
export const plainResource = (resource: string): string => resource.replace(/\/$/, '');

/** What is left of `planned` after the user's decision at X. X names nothing when it granted all (RFC 6749 section 5.1). */
export function grantedScope(planned: readonly string[], grantedByX: readonly string[]): readonly string[] {
  return grantedByX.length === 0 ? planned : planned.filter((scope) => grantedByX.includes(scope));
}
