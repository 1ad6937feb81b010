import type { Context } from 'koa';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { ProblemError } from '#libs/problem/problem.ts';

/** Requests per minute: far above what a person with assistants needs, far below what would hurt others. */
export interface ThrottleLimits {
  readonly perAccount: number;
  readonly perClient: number;
  /** Requests from one address that carry no valid token. */
  readonly unknownPerAddress: number;
  /** Wrong guesses at a secret of the operator from one address. */
  readonly wrongSecretsPerAddress: number;
}

/** A client may serve ten accounts that all ask for what they may. */
export function limitsFor(perAccount: number): ThrottleLimits {
  return { perAccount, perClient: 10 * perAccount, unknownPerAddress: 300, wrongSecretsPerAddress: 20 };
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
  const guesses = limiter(limits.wrongSecretsPerAddress);

  async function consume(limiterOf: RateLimiterMemory, key: string): Promise<void> {
    try {
      await limiterOf.consume(key);
    } catch (cause) {
      if (!(cause instanceof RateLimiterRes)) throw cause;
      throw tooMany(cause.msBeforeNext);
    }
  }

  function tooMany(msBeforeNext: number): ProblemError {
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
    const detail = `Too many requests in a short time. Wait ${seconds} seconds.`;
    return new ProblemError('too_many_requests', detail, { retryAfterSeconds: seconds });
  }

  return {
    /** @throws {ProblemError} too_many_requests */
    async countCaller(caller: { accountId: string; clientId: string }): Promise<void> {
      await consume(accounts, caller.accountId);
      await consume(clients, caller.clientId);
    },
    /** @throws {ProblemError} too_many_requests */
    countUnknown: (ctx: Context) => consume(addresses, ctx.ip),
    /**
     * Before a secret of the operator is compared: whoever was wrong too often is not told any more.
     * @throws {ProblemError} too_many_requests
     */
    async refuseGuesser(ctx: Context): Promise<void> {
      const known = await guesses.get(ctx.ip);
      if (known && known.remainingPoints <= 0) throw tooMany(known.msBeforeNext);
    },
    /** A wrong secret. */
    async countGuess(ctx: Context): Promise<void> {
      await guesses.penalty(ctx.ip);
    },
  };
}
