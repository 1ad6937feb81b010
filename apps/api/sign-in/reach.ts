import { errors } from 'oidc-provider';
import { ProblemError } from '#libs/problem/problem.ts';

/** Runs commands on Redis; while it is away, callers get a 503 and may come back. */
export async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof errors.OIDCProviderError || cause instanceof ProblemError) throw cause;
    throw new ProblemError(
      'unavailable',
      'Sign-in is not possible at the moment. Try again in a few seconds.',
      {
        retryAfterSeconds: 5,
        cause,
      },
    );
  }
}
