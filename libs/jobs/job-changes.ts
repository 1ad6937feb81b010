import type { Redis } from 'ioredis';
import type { Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import { isOver } from './job-view.ts';

/** Waiting for changes of jobs: one subscription and one read per change for a whole process, however many wait. */
export type JobChanges = Awaited<ReturnType<typeof followJobChanges>>;

export interface WaitOptions {
  /** The longest wait. */
  readonly waitMs: number;
  /** Is given what ends the wait before, for when nobody wants its outcome any more. */
  readonly onGivingUp?: (giveUp: () => void) => void;
  /** Sees the job at once and after each change. */
  readonly onChange?: (job: Job) => void;
}

interface ChangesOptions {
  /** A connection of its own: a subscribed connection can do nothing else. */
  readonly subscriber: Redis;
  readonly jobs: Pick<JobStore, 'find'>;
  /** Ends all waits when it aborts. */
  readonly stopping?: AbortSignal;
}

/** Somebody who waits for a job. Thousands may, each in as little memory as possible: a few functions and a timer. */
interface Waiter {
  readonly look: () => void;
  readonly giveUp: () => void;
}

export async function followJobChanges({ subscriber, jobs, stopping }: ChangesOptions) {
  const waiters = new Map<string, Set<Waiter>>();
  const reads = new Map<string, Promise<Job | null>>();
  const announce = (jobId: string) => {
    // A read that began before this change may not show it: nobody may join it any more.
    reads.delete(jobId);
    for (const waiter of waiters.get(jobId) ?? []) waiter.look();
  };
  subscriber.on('message', (_channel, jobId: string) => announce(jobId));
  // What was published while the connection was away was missed: everybody looks again.
  subscriber.on('ready', () => {
    for (const jobId of waiters.keys()) announce(jobId);
  });
  stopping?.addEventListener('abort', () => {
    for (const ofJob of waiters.values()) for (const waiter of ofJob) waiter.giveUp();
  });
  await subscriber.subscribe('jobs:changed');

  /** All who wait for one job share one read of it. */
  function read(jobId: string): Promise<Job | null> {
    const known = reads.get(jobId);
    if (known) return known;
    const reading = Promise.resolve()
      .then(() => jobs.find(jobId))
      .finally(() => {
        if (reads.get(jobId) === reading) reads.delete(jobId);
      });
    reads.set(jobId, reading);
    return reading;
  }

  function enter(jobId: string, waiter: Waiter): void {
    const ofJob = waiters.get(jobId) ?? new Set();
    waiters.set(jobId, ofJob.add(waiter));
  }

  function leave(jobId: string, waiter: Waiter): void {
    const ofJob = waiters.get(jobId);
    if (ofJob?.delete(waiter) && ofJob.size === 0) waiters.delete(jobId);
  }

  /** The job when it has ended, or as it stands when the wait is over before; null when there is none. */
  function settled(jobId: string, { waitMs, onGivingUp, onChange }: WaitOptions): Promise<Job | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Job | null>();
    let [isGivenUp, isDone] = [stopping?.aborted === true, false];
    const done = () => {
      isDone = true;
      clearTimeout(timer);
      leave(jobId, waiter);
    };
    const see = (job: Job | null) => {
      if (isDone) return;
      if (job) onChange?.(job);
      if (job && !isOver(job) && !isGivenUp) return;
      done();
      resolve(job);
    };
    const fail = (error: unknown) => {
      done();
      reject(error);
    };
    const waiter: Waiter = {
      look: () => void read(jobId).then(see).catch(fail),
      giveUp() {
        isGivenUp = true;
        if (!isDone) waiter.look();
      },
    };
    const timer = setTimeout(waiter.giveUp, waitMs);
    enter(jobId, waiter);
    onGivingUp?.(waiter.giveUp);
    waiter.look();
    return promise;
  }

  /** The record at once, then after each change, until it has ended, is gone or `signal` aborts. */
  async function* watch(jobId: string, signal: AbortSignal): AsyncGenerator<Job> {
    let changed = false;
    let wake = () => {};
    const look = () => {
      changed = true;
      wake();
    };
    // `signal` ends it, also when the process stops.
    const waiter: Waiter = { look, giveUp: look };
    enter(jobId, waiter);
    signal.addEventListener('abort', look, { once: true });
    try {
      for (;;) {
        const job = await read(jobId);
        if (!job) return;
        yield job;
        if (isOver(job) || signal.aborted) return;
        if (!changed) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (signal.aborted) return;
        changed = false;
      }
    } finally {
      leave(jobId, waiter);
      signal.removeEventListener('abort', look);
    }
  }

  return { watch, settled };
}
