import { ProblemError } from '#libs/problem/problem.ts';

/** How slow a download may be; times in ms, rates in bytes per second. */
export interface PaceLimits {
  /** What is not finished by then must come at `minBytesPerSecond`. */
  readonly totalMs: number;
  readonly minBytesPerSecond: number;
  /** The stretch of time in which the minimum rate is measured. */
  readonly windowMs: number;
  /** A trickle below `trickleBytesPerSecond` ends earlier, so that it does not hold its place for so long. */
  readonly trickleAfterMs: number;
  readonly trickleBytesPerSecond: number;
  /** No download lasts longer than this. */
  readonly longestMs: number;
}

const defaultLimits: PaceLimits = {
  totalMs: 60_000,
  minBytesPerSecond: 256 * 1024,
  windowMs: 10_000,
  trickleAfterMs: 20_000,
  trickleBytesPerSecond: 1024,
  longestMs: 30 * 60_000,
};

/** Watches one download. `signal` fires when the caller's does, or with `media_timeout` when it is too slow. */
export interface Pace extends Disposable {
  readonly signal: AbortSignal;
  /** States how many bytes have come in all. */
  reached(bytes: number): void;
}

/** Starts the clock of one download. */
export function createPace(
  limits: Partial<PaceLimits> = {},
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): Pace {
  const { totalMs, minBytesPerSecond, windowMs, trickleAfterMs, trickleBytesPerSecond, longestMs } = {
    ...defaultLimits,
    ...limits,
  };
  const slow = new AbortController();
  const startedAt = now();
  let bytes = 0;
  let mark = { at: startedAt, bytes: 0 };

  function isTooSlow(): boolean {
    const elapsedMs = now() - startedAt;
    if (elapsedMs >= longestMs) return true;
    if (elapsedMs >= trickleAfterMs && bytes * 1000 < trickleBytesPerSecond * elapsedMs) return true;
    const windowAgeMs = now() - mark.at;
    if (elapsedMs < totalMs || windowAgeMs < windowMs) return false;
    // The first window is the whole time so far, the next ones follow each other.
    const enough = (bytes - mark.bytes) * 1000 >= minBytesPerSecond * windowAgeMs;
    mark = { at: now(), bytes };
    return !enough;
  }
  const timer = setInterval(
    () => {
      if (isTooSlow())
        slow.abort(
          new ProblemError(
            'media_timeout',
            'The media host sent the file too slowly. Try again later, or send the file from a faster place.',
          ),
        );
    },
    Math.min(1_000, totalMs / 10),
  );
  return {
    signal: signal ? AbortSignal.any([signal, slow.signal]) : slow.signal,
    reached(total) {
      bytes = total;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
