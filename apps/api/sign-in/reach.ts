import { errors } from 'oidc-provider';
import { ProblemError } from '#libs/problem/problem.ts';

/** Runs commands on Redis; while it is away, callers get a 503 and may come back. */
export async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isNotRedis(cause)) throw cause;
    throw new ProblemError(
      'unavailable',
      'The server cannot read or store anything at the moment. Nothing was accepted; try again in a few seconds.',
      {
        retryAfterSeconds: 5,
        cause,
      },
    );
  }
}

/** Answers that the work itself gave, and bugs: neither gets better by waiting. */
function isNotRedis(error: unknown): boolean {
  const kinds = [errors.OIDCProviderError, ProblemError, TypeError, RangeError, SyntaxError, ReferenceError];
  return kinds.some((kind) => error instanceof kind);
}
