import type { Redis } from 'ioredis';
import type { Context } from 'koa';
import { reach } from './reach.ts';
import { hashOf } from './secrets.ts';

/** Wrong client secrets, counted by address and client. The right secret always works: nobody can lock a client out. */
export interface SecretGuesses {
  /** Counts one more, and turns the answer into a 429 once there are too many. */
  count(ctx: Context, clientId: string): Promise<void>;
}

const windowSeconds = 60;
const allowedPerWindow = 10;

export function createSecretGuesses(redis: Redis): SecretGuesses {
  return {
    count: (ctx, clientId) =>
      reach(async () => {
        const key = `limit:secret:${hashOf(`${ctx.ip} ${clientId}`)}`;
        const answers = await redis.multi().incr(key).expire(key, windowSeconds, 'NX').exec();
        const guesses = Number(answers?.[0]?.[1] ?? 0);
        if (guesses <= allowedPerWindow) return;
        ctx.status = 429;
        ctx.set('Retry-After', String(windowSeconds));
        ctx.body = { error: 'invalid_client', error_description: 'too many wrong attempts, wait a minute' };
      }),
  };
}
