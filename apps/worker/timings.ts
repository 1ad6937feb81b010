import type { PaceLimits } from '#libs/media/pace.ts';

/** How soon somebody else goes on where a worker was lost. */
export interface WorkerTimings {
  /** How long the queue keeps an entry for a worker that says nothing. */
  readonly lockMs: number;
  /** How often the queue is searched for entries whose worker says nothing. */
  readonly stalledEveryMs: number;
  readonly sweepEveryMs: number;
  /** How often files are looked for that no post wants any more; every ten minutes where nothing is said. */
  readonly tidyEveryMs?: number;
  /** How slow a download of media may be; as production has it where nothing is said. */
  readonly pace?: Partial<PaceLimits>;
}

/** Those of production. */
export const usualTimings: WorkerTimings = { lockMs: 30_000, stalledEveryMs: 15_000, sweepEveryMs: 10_000 };
