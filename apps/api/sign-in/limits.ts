import type { Redis } from 'ioredis';
import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { reach } from './reach.ts';
import { hashOf } from './secrets.ts';

const windowSeconds = 60;

/** Each sign-in that is begun is remembered for a while: one address may not fill the memory with them. */
const startsPerWindow = 600;

const wrongSecretsPerWindow = 10;

/** What one address may do before anybody is signed in. */
export interface SignInLimits {
  /** Counts a sign-in that is begun. @throws {ProblemError} too_many_requests */
  countStart(ctx: Context): Promise<void>;
  /**
   * Counts a wrong client secret, by address and client, and turns the answer into a 429 once there are too many.
   * The right secret always works: nobody can lock a client out.
   */
  countWrongSecret(ctx: Context, clientId: string): Promise<void>;
}

export function createSignInLimits(redis: Redis): SignInLimits {
  const count = (what: string) =>
    reach(async () => {
      const key = `limit:${what}`;
      const answers = await redis.multi().incr(key).expire(key, windowSeconds, 'NX').exec();
      return Number(answers?.[0]?.[1] ?? 0);
    });
  return {
    async countStart(ctx) {
      if ((await count(`sign-in:${ctx.ip}`)) <= startsPerWindow) return;
      throw new ProblemError('too_many_requests', 'Too many sign-ins were begun from your address.', {
        retryAfterSeconds: windowSeconds,
      });
    },
    async countWrongSecret(ctx, clientId) {
      if ((await count(`secret:${hashOf(`${ctx.ip} ${clientId}`)}`)) <= wrongSecretsPerWindow) return;
      ctx.status = 429;
      ctx.set('Retry-After', String(windowSeconds));
      ctx.body = { error: 'invalid_client', error_description: 'too many wrong attempts, wait a minute' };
    },
  };
}
