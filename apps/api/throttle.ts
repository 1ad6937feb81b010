import type { Context } from 'koa';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { ProblemError } from '#libs/problem/problem.ts';

/** Requests per minute: far above what a person with assistants needs, far below what would hurt others. */
export interface ThrottleLimits {
  readonly perAccount: number;
  readonly perClient: number;
  /** Requests from one address that carry no valid token. */
  readonly unknownPerAddress: number;
}

/** A client may serve ten accounts that all ask for what they may. */
export function limitsFor(perAccount: number): ThrottleLimits {
  return { perAccount, perClient: 10 * perAccount, unknownPerAddress: 300 };
}

export type Throttle = ReturnType<typeof createThrottle>;

/**
 * Coarse limits against loops and guessing, counted in this process alone: they protect it, and no promise depends on
 * them. What X allows is the gates' business, and how many posts may be in work is part of accepting one.
 */
export function createThrottle(limits: ThrottleLimits) {
  const limiter = (points: number) => new RateLimiterMemory({ points, duration: 60 });
  const accounts = limiter(limits.perAccount);
  const clients = limiter(limits.perClient);
  const addresses = limiter(limits.unknownPerAddress);

  async function consume(limiterOf: RateLimiterMemory, key: string): Promise<void> {
    try {
      await limiterOf.consume(key);
    } catch (cause) {
      if (!(cause instanceof RateLimiterRes)) throw cause;
      const seconds = Math.max(1, Math.ceil(cause.msBeforeNext / 1000));
      throw new ProblemError(
        'too_many_requests',
        `Too many requests in a short time. Wait ${seconds} seconds.`,
        {
          retryAfterSeconds: seconds,
        },
      );
    }
  }

  return {
    /** @throws {ProblemError} too_many_requests */
    async countCaller(caller: { accountId: string; clientId: string }): Promise<void> {
      await consume(accounts, caller.accountId);
      await consume(clients, caller.clientId);
    },
    /** @throws {ProblemError} too_many_requests */
    countUnknown: (ctx: Context) => consume(addresses, ctx.ip),
  };
}
