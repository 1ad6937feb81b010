import type { WorkerTimings } from '#apps/worker/start-worker.ts';

/** As a worker's own, but short: tests see within seconds what production sees within half a minute. */
export const quickTimings: WorkerTimings = { lockMs: 6000, stalledEveryMs: 1500, sweepEveryMs: 1000 };
