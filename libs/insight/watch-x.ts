import { XAnswerError } from '#libs/x-api/errors.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { XExchange } from '#libs/x-api/x-api.ts';
import type { Counts } from './counts.ts';
import type { Tracing } from './tracing.ts';

/** How operators see what we ask of X. */
interface Watch {
  readonly counts: Counts;
  readonly tracing: Tracing;
}

/**
 * For the `observe` of a client of X: counts and times every call, and shows it as a span of what made it. That is told
 * afterwards, so that nothing stands between a post and its request; X itself hears nothing of a trace.
 */
export function watchXCalls({ counts, tracing }: Watch): (exchange: XExchange) => void {
  return (exchange) => {
    const { endpoint, status, durationMs } = exchange;
    counts.add('x_calls', [endpoint, String(status ?? 'none')]);
    counts.time('x_call_seconds', [endpoint], durationMs);
    if (tracing.isOn) traceCall(tracing, exchange);
  };
}

function traceCall(tracing: Tracing, { endpoint, status, durationMs, transactionId }: XExchange): void {
  tracing.passed(`X ${endpoint}`, {
    kind: 'client',
    durationMs,
    failure: status === null ? 'no_answer' : status >= 400 ? String(status) : undefined,
    facts: {
      'post_to_x.x_endpoint': endpoint,
      ...(status === null ? {} : { 'http.response.status_code': status }),
      ...(transactionId === null ? {} : { 'post_to_x.x_transaction_id': transactionId }),
    },
  });
}

/** Counts how refreshes of tokens end: renewed, refused by X, or without an answer that tells. */
export function watchRefreshes(oauth: XOAuth, { counts, tracing }: Watch): XOAuth {
  const span = { kind: 'client', facts: { 'post_to_x.x_endpoint': 'token' } } as const;
  return {
    ...oauth,
    async refresh(refreshToken) {
      try {
        const tokenSet = await tracing.span('X token', span, () => oauth.refresh(refreshToken));
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
