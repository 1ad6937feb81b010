import { setTimeout as pause } from 'node:timers/promises';
import { Queue, type Job as QueueEntry } from 'bullmq';
import type { Redis } from 'ioredis';
import { lastWords } from '#libs/insight/last-words.ts';

/** What a queue entry carries: references, never content. `index` names a media item of the job. */
export interface WakeUpData {
  readonly job_id: string;
  readonly index?: number;
}

export interface WakeUpOptions {
  /** A media item, in the queue `media`; without it the job itself, in `tweets`. */
  readonly index?: number;
  /** Epoch ms; a due time that has passed means now. */
  readonly at?: number;
  /** Open jobs of the account: the more it has, the later its turn, so that one account cannot crowd out others. */
  readonly openJobs?: number;
  /** Tells entries apart where one of the same job may still be held by a worker that died. */
  readonly round?: string;
}

/** Finished entries are kept a while for the dashboard only; they carry no content. */
const kept = { age: 3600, count: 1000 };
/** An entry that is about to sleep does so within moments; together half a second. */
const untilAsleepMs = [10, 30, 60, 150, 250];

/** The two queues. An entry is a wake-up call: losing, doubling or delaying one does no harm, the record is the truth. */
export type WakeUps = ReturnType<typeof createWakeUps>;

export function createWakeUps({ redis, now = Date.now }: { redis: Redis; now?: () => number }) {
  const options = {
    connection: redis,
    skipMetasUpdate: true,
    streams: { events: { maxLen: 500 } },
    defaultJobOptions: { attempts: 1, removeOnComplete: kept, removeOnFail: kept },
  };
  const queues = {
    media: new Queue<WakeUpData>('media', options),
    tweets: new Queue<WakeUpData>('tweets', options),
  };
  // A lost connection shows in failing calls; without a listener it would end the process.
  for (const queue of Object.values(queues)) queue.on('error', () => {});
  const queueOf = (wake: WakeUpOptions) => (wake.index === undefined ? queues.tweets : queues.media);

  async function add(jobId: string, wake: WakeUpOptions = {}): Promise<void> {
    const data = wake.index === undefined ? { job_id: jobId } : { job_id: jobId, index: wake.index };
    await queueOf(wake).add('wake', data, {
      jobId: entryId(jobId, wake),
      delay: Math.max(0, (wake.at ?? 0) - now()),
      priority: Math.min(1 + (wake.openJobs ?? 0), 2_097_151),
    });
  }

  /** As `add` for an entry that may have existed before: a finished one would swallow it, a delayed one is due now. */
  async function again(jobId: string, wake: WakeUpOptions = {}): Promise<void> {
    const entry: QueueEntry<WakeUpData> | undefined = await queueOf(wake).getJob(entryId(jobId, wake));
    const state = entry && (await entry.getState());
    if (entry && (state === 'completed' || state === 'failed')) await entry.remove();
    else if (entry && state === 'delayed' && (wake.at ?? 0) <= now())
      return await entry.promote().catch(() => {});
    else if (entry && state !== 'unknown') return;
    await add(jobId, wake);
  }

  /**
   * The job was ended from outside: what of it sleeps until its time is removed, and a worker with the files of its
   * media removes them. Best effort. `items`: how many media items it has.
   */
  async function ended(jobId: string, items: number): Promise<void> {
    // Those that somebody holds stay, and find that there is nothing to do.
    await queues.tweets.remove(entryId(jobId, {})).catch(() => {});
    for (let index = 0; index < items; index++)
      await queues.media.remove(entryId(jobId, { index })).catch(() => {});
    if (items > 0) await add(jobId, { index: 0, round: 'end' }).catch(() => {});
  }

  /**
   * It is this job's turn now: it has no entry, or one that sleeps or is about to. The account's other posts give it no
   * precedence.
   */
  async function turn(jobId: string, openJobs: number): Promise<void> {
    const entry = await queues.tweets.getJob(entryId(jobId, {}));
    const isComing =
      entry &&
      (await entry.promote().then(
        () => true,
        async () => (await entry.getState()) === 'prioritized',
      ));
    if (!isComing) await add(jobId, { round: `t${now()}`, openJobs });
  }

  /** There is a place for this media item now: its entry sleeps, or is about to. */
  async function itemTurn(jobId: string, index: number): Promise<void> {
    const entry = await queues.media.getJob(entryId(jobId, { index }));
    for (const pauseMs of untilAsleepMs) {
      // A second entry beside one that is in work would only take the work away from it.
      if ((await entry?.getState()) !== 'active') break;
      await pause(pauseMs);
    }
    await again(jobId, { index });
  }

  return {
    add,
    again,
    ended,
    turn,
    itemTurn,
    queues,
    [Symbol.asyncDispose]: async () => {
      await lastWords(Promise.all(Object.values(queues).map((queue) => queue.close())));
    },
  };
}

function entryId(jobId: string, { index, round }: WakeUpOptions): string {
  return ['job', jobId, index, round].filter((part) => part !== undefined).join('-');
}
