import { join } from 'node:path';
import type { Counts } from '#libs/insight/counts.ts';
import { lastWords } from '#libs/insight/last-words.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import type { Log } from '#libs/log/log.ts';
import type { RedisConnection } from '#libs/redis/connect.ts';
import { createEpochWatch } from '#libs/redis/epoch.ts';

const everyMs = 1000;

/** Whether what Redis says can be acted on: false from the moment a loss of its memory shows until it is dealt with. */
export interface Trust extends AsyncDisposable {
  holds(): boolean;
}

interface TrustOptions {
  readonly redis: RedisConnection;
  readonly jobs: JobStore;
  readonly dataDir: string;
  readonly counts: Pick<Counts, 'add'>;
  readonly log: Log;
}

/**
 * Watches for a Redis that went back in time (an older file restored, a flush, a failover). Sending stops, and every
 * open job is looked for on X before it may be sent: its record may be older than what really happened.
 */
export async function watchTrust({ redis, jobs, dataDir, counts, log }: TrustOptions): Promise<Trust> {
  const watch = await createEpochWatch({ redis, file: join(dataDir, 'epoch') });
  let trusted = false;
  let connection = 0;
  let looking = false;
  let unwritten = false;
  async function look(): Promise<void> {
    const begunOn = connection;
    const { wentBackAt, fileError } = await watch.check();
    if (fileError !== null && !unwritten)
      log.warn(
        { err: fileError },
        'DATA_DIR cannot be written: a loss of Redis while nothing runs may pass unnoticed',
      );
    unwritten = fileError !== null;
    if (wentBackAt !== null) {
      trusted = false;
      counts.add('redis_losses', []);
      const count = await jobs.distrust();
      log.error({ count }, 'Redis went back in time: every open post is looked for on X before it is sent');
      await watch.settle(wentBackAt);
    }
    trusted = begunOn === connection;
  }
  // What answers after a break may be another Redis, or an older one: until it has been looked at nothing is sent.
  const onClose = () => {
    connection += 1;
    trusted = false;
  };
  redis.on('close', onClose).on('ready', lookAgain);
  await look();
  const timer = setInterval(lookAgain, everyMs);
  function lookAgain(): void {
    if (looking) return;
    looking = true;
    // Redis is away: no move can be written either, and the queues say so in the log.
    look()
      .catch(() => {})
      .finally(() => {
        looking = false;
      });
  }
  return {
    holds: () => trusted,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      redis.off('close', onClose).off('ready', lookAgain);
      await lastWords(watch.close());
    },
  };
}
