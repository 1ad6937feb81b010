import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';

/** An account's tokens as they are stored, and the refresh that is going on or was left behind. */
export interface TokenRecord {
  /** Counts the pairs that were stored: the compare-and-set of every write. */
  readonly version: number;
  /** `refreshing`: a refresh token was, or may have been, presented, and what came of it is not stored. */
  readonly state: 'ok' | 'refreshing' | 'dead';
  /** '' when there is none (any more). */
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** End of the access token, epoch ms. */
  readonly expiresAt: number;
  /** How long X let the access token live when it gave it, ms. */
  readonly lifetimeMs?: number | undefined;
  readonly attempt: RefreshAttempt | null;
}

interface RefreshAttempt {
  /** '' when the last one was taken back and an earlier one is still open. */
  readonly id: string;
  /** How long ago it began, by Redis' clock. */
  readonly ageMs: number;
  /** How often this refresh token may have reached X. */
  readonly presented: number;
}

export interface TokenNeed {
  /** How long the token must still live, ms. Default 10 minutes. */
  readonly minValidMs?: number | undefined;
  /** The token that X answered 401 to: another one is needed. */
  readonly rejected?: string | undefined;
}

/** Enough for a post that is about to be sent, while a better token is not to be had. */
const lastResortMs = 2 * 60_000;
const firstPauseMs = 30_000;
const longestPauseMs = 15 * 60_000;

/**
 * What to do about a need for a token: use the stored one, ask X for a new pair, come back later, or have the user
 * sign in again. While a refresh is open the old access token serves as long as it lives; only then the same refresh
 * token is presented once more, and if X stays silent again, at growing intervals.
 */
export function nextStep(
  record: TokenRecord | null,
  need: TokenNeed,
  now: number,
): 'use' | 'ask' | 'later' | 'dead' {
  if (!record || record.state === 'dead') return 'dead';
  const leftMs = record.accessToken === need.rejected ? 0 : record.expiresAt - now;
  // A token that is young is never renewed for its age, however short X makes their lives.
  const youngMs = (record.lifetimeMs ?? Number.POSITIVE_INFINITY) / 2;
  const wantedMs = Math.max(Math.min(need.minValidMs ?? 10 * 60_000, youngMs), 1);
  if (leftMs >= (record.state === 'ok' ? wantedMs : Math.min(wantedMs, lastResortMs))) return 'use';
  if (record.refreshToken === null) return leftMs > 0 ? 'use' : 'dead';
  return record.attempt && record.attempt.ageMs < pauseMs(record.attempt) ? 'later' : 'ask';
}

/** The second presentation may follow at once: it tells whether X acted on the first. */
function pauseMs({ presented }: RefreshAttempt): number {
  return presented < 2 ? 0 : Math.min(firstPauseMs * 2 ** (presented - 2), longestPauseMs);
}

/**
 * What a failed refresh says about the refresh token.
 * `spent`: X will never take it again. `untouched`: X did not get or did not judge it. `unknown`: X may have acted.
 */
export function judgeFailure(error: unknown): 'spent' | 'untouched' | 'unknown' {
  if (error instanceof XUnreachableError) return error.sent ? 'unknown' : 'untouched';
  if (!(error instanceof XAnswerError)) return 'unknown';
  if (error.status === 408 || error.status >= 500) return 'unknown';
  if (error.status !== 400) return 'untouched';
  if (error.oauthError === 'invalid_grant') return 'spent';
  if (error.oauthError === 'invalid_request') return isAboutRequest(error.detail) ? 'untouched' : 'spent';
  return error.oauthError === null ? 'unknown' : 'untouched';
}

/** X says `invalid_request` both of a dead token and of a request that we got wrong; the latter is no user's fault. */
function isAboutRequest(description: string): boolean {
  return /missing required parameter|grant type/i.test(description);
}
