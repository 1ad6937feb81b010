import type { XExchange } from '#libs/x-api/x-api.ts';
import { gates, ownClock } from './gate-lessons.ts';

/** What is known of one gate: calls left until `resetAt` (epoch ms). */
interface Count {
  readonly left: number;
  readonly resetAt: number;
}

const mostRemembered = 10_000;

/**
 * What this process saw when it last asked for a call. Most answers of X only repeat that: then there is nothing to
 * tell to Redis, which counted the call when it let it through.
 */
export function createGateMemory() {
  const seen = new Map<string, readonly Count[]>();
  return {
    /** `known`: as gate-take.lua answers it. */
    asked(asker: string, [quiet, ...counts]: readonly number[]): void {
      seen.delete(asker);
      if (quiet !== 1) return;
      if (seen.size >= mostRemembered) seen.clear();
      const pairs = counts.filter((_, index) => index % 2 === 0);
      seen.set(
        asker,
        pairs.map((left, index) => ({ left, resetAt: counts[2 * index + 1] ?? 0 })),
      );
    },

    /** Whether Redis knows all that this answer says. */
    knows(asker: string, exchange: XExchange): boolean {
      const { status } = exchange;
      const known = seen.get(asker);
      if (!known || status === null || status >= 500 || status === 429 || status === 402) return false;
      return ownClock(exchange).every(({ scope, remaining, resetAt }) => {
        const count = known[gates[scope]];
        // Less left than we knew is news; so is much more, which is a count that went wrong.
        return (
          count !== undefined &&
          Math.abs(count.resetAt - resetAt) < 5000 &&
          count.left <= remaining &&
          remaining - count.left <= 40
        );
      });
    },
  };
}
