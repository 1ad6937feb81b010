import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import type { Job } from './job.ts';
import type { JobStore } from './job-store.ts';
import { isOver } from './job-view.ts';

/** Waiting for changes of jobs: one subscription and one read per change for a whole process, however many wait. */
export type JobChanges = Awaited<ReturnType<typeof followJobChanges>>;

/** @param subscriber a connection of its own: a subscribed connection can do nothing else. */
export async function followJobChanges({ subscriber, jobs }: { subscriber: Redis; jobs: JobStore }) {
  const changes = new EventEmitter();
  changes.setMaxListeners(0);
  const reads = new Map<string, Promise<Job | null>>();
  const announce = (jobId: string) => {
    // A read that began before this change may not show it: nobody may join it any more.
    reads.delete(jobId);
    changes.emit(jobId);
  };
  subscriber.on('message', (_channel, jobId: string) => announce(jobId));
  // What was published while the connection was away was missed: everybody looks again.
  subscriber.on('ready', () => {
    for (const jobId of changes.eventNames()) announce(String(jobId));
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

  /** The record at once, then after each change, until it has ended, is gone or `signal` aborts. */
  async function* watch(jobId: string, signal: AbortSignal): AsyncGenerator<Job> {
    let changed = false;
    let wake = () => {};
    const onChange = () => {
      changed = true;
      wake();
    };
    changes.on(jobId, onChange);
    signal.addEventListener('abort', onChange, { once: true });
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
      changes.off(jobId, onChange);
      signal.removeEventListener('abort', onChange);
    }
  }

  /** The job when it has ended, or as it stands when `signal` aborts; null when there is none. */
  async function settled(
    jobId: string,
    signal: AbortSignal,
    onChange?: (job: Job) => void,
  ): Promise<Job | null> {
    let last: Job | null = null;
    for await (const job of watch(jobId, signal)) {
      last = job;
      onChange?.(job);
    }
    // Aborted in the middle of a wait: what was read before it may be stale.
    return last && !isOver(last) ? await read(jobId) : last;
  }

  return { watch, settled };
}
