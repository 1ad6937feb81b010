import type { XExchange } from '#libs/x-api/x-api.ts';

const minute = 60_000;
/** A reset further away than this is no reset that X means: its longest window is a day. */
const latestMs = 25 * 60 * minute;

/** What X says when the app, and not an account of it, has used up its month. */
const usageCapped = 'usage-capped';

/** The gates of one call, as the scripts number them. */
export const gates = { down: 0, user: 1, user_24h: 2, app_24h: 3, credits: 4 } as const;

/** What one answer says about one gate; the modes and numbers are those of gate-learn.lua. */
export interface Lesson {
  readonly gate: number;
  readonly mode: 'until' | 'remaining' | 'passed' | 'back_off' | 'strike' | 'open' | 'paid';
  readonly numbers: readonly [number, number, number];
}

/** Times in the limits of an exchange by our clock: X's resets are times by its own. */
export function ownClock({ at, date, rateLimits }: Pick<XExchange, 'at' | 'date' | 'rateLimits'>) {
  const skew = date === null ? 0 : at - date;
  return rateLimits.map((limit) => ({ ...limit, resetAt: limit.resetAt + skew }));
}

/** What an answer of X, or its absence, says about the gates of its call. `now`: epoch ms. */
export function readLessons(exchange: XExchange, isBilled: boolean, now: number): Lesson[] {
  const { status } = exchange;
  const retryAt = exchange.at + (exchange.retryAfterMs ?? 0);
  const limits = ownClock(exchange).filter(({ resetAt }) => resetAt < now + latestMs);
  const lessons: Lesson[] = [];
  const backOff = (gate: number): Lesson => ({ gate, mode: 'back_off', numbers: [0, minute, 15 * minute] });

  const refused = status === 429 ? limits.filter(({ resetAt }) => resetAt > exchange.at) : [];
  const usedUp = refused.filter(({ remaining }) => remaining <= 0);
  // A refusal with room in every window is about none that X names: the shortest is the one it starts anew with.
  const [shortest] = refused.toSorted((a, b) => a.resetAt - b.resetAt);
  const closed = usedUp.length > 0 ? usedUp : shortest ? [shortest] : [];
  // What was said of a window that is over by now is said of none: the answer may have waited here for long.
  for (const limit of limits.filter(({ resetAt }) => resetAt > now)) {
    const { resetAt, remaining } = limit;
    // Each window has a gate of its own: one being open says nothing about another.
    lessons.push(
      closed.includes(limit)
        ? { gate: gates[limit.scope], mode: 'until', numbers: [resetAt - now, 0, 0] }
        : {
            gate: gates[limit.scope],
            mode: 'remaining',
            numbers: [resetAt - now, Math.max(0, remaining), limit.limit],
          },
    );
  }
  if (status !== null && status < 500 && status !== 429) {
    const untold = [gates.user, gates.user_24h, gates.app_24h].filter(
      (gate) => !lessons.some((lesson) => lesson.gate === gate),
    );
    for (const gate of untold) lessons.push({ gate, mode: 'passed', numbers: [0, 0, 0] });
  }
  if (status === 429 && exchange.problem === usageCapped) lessons.push(backOff(gates.app_24h));
  else if (status === 429 && retryAt > now && retryAt < now + latestMs)
    lessons.push({ gate: gates.user, mode: 'until', numbers: [retryAt - now, 0, 0] });
  else if (status === 429 && closed.length === 0) lessons.push(backOff(gates.user));

  if (status === 402) lessons.push(backOff(gates.credits));
  else if (status !== null && status < 300 && isBilled)
    lessons.push({ gate: gates.credits, mode: 'paid', numbers: [0, 0, 0] });
  if (status === null || status >= 500)
    lessons.push({ gate: gates.down, mode: 'strike', numbers: [5, 10_000, 5 * minute] });
  else lessons.push({ gate: gates.down, mode: 'open', numbers: [0, 0, 0] });
  return lessons;
}
