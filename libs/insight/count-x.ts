import { XAnswerError } from '#libs/x-api/errors.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { XExchange } from '#libs/x-api/x-api.ts';
import type { Counts } from './counts.ts';

/** For the `observe` of a client of X: counts and times every call. */
export function countXCalls(counts: Counts): (exchange: XExchange) => void {
  return ({ endpoint, status, durationMs }) => {
    counts.add('x_calls', [endpoint, String(status ?? 'none')]);
    counts.time('x_call_seconds', [endpoint], durationMs);
  };
}

/** Counts how refreshes of tokens end: renewed, refused by X, or without an answer that tells. */
export function countRefreshes(oauth: XOAuth, counts: Counts): XOAuth {
  return {
    ...oauth,
    async refresh(refreshToken) {
      try {
        const tokenSet = await oauth.refresh(refreshToken);
        counts.add('token_refreshes', ['renewed']);
        return tokenSet;
      } catch (error) {
        const refused = error instanceof XAnswerError && error.status < 500 && error.status !== 408;
        counts.add('token_refreshes', [refused ? 'refused' : 'unanswered']);
        throw error;
      }
    },
  };
}
