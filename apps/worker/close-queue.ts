import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'bullmq';

/** From the end of the last run to a closed queue: a few commands, if Redis answers. */
const closingMs = 3000;

/** Counts the runs in progress. */
export function createRuns() {
  let count = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();
  return {
    begin(): Disposable {
      if (count === 0) idle = Promise.withResolvers();
      count += 1;
      return {
        [Symbol.dispose]() {
          count -= 1;
          if (count === 0) idle.resolve();
        },
      };
    },
    /** Resolves when none is in progress. */
    idle: () => idle.promise,
  };
}

/**
 * Waits for the runs in progress and closes. While Redis is away, or has just come back, BullMQ may never get to an
 * end: then the queue is left as it is, since whatever it still held comes back by itself.
 */
export async function closeQueue(
  worker: Pick<Worker, 'close'>,
  runs: Pick<ReturnType<typeof createRuns>, 'idle'>,
): Promise<void> {
  const given = new AbortController();
  const patience = runs.idle().then(() => delay(closingMs, undefined, { signal: given.signal }));
  await Promise.race([worker.close(), patience]).finally(() => given.abort());
}
