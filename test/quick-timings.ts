import type { WorkerTimings } from '#apps/worker/timings.ts';

/** As a worker's own, but short: tests see within seconds what production sees within half a minute. */
export const quickTimings: WorkerTimings = {
  lockMs: 6000,
  stalledEveryMs: 1500,
  sweepEveryMs: 1000,
  tidyEveryMs: 10_000,
};

/** Shorter still, where several workers die one after the other: just longer than what counts as one start. */
export const hastyTimings: WorkerTimings = { lockMs: 2500, stalledEveryMs: 500, sweepEveryMs: 500 };
