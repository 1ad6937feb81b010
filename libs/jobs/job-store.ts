import type { Redis } from 'ioredis';
import { prepareScript } from '#libs/redis/script.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import { createAcceptor } from './accept-job.ts';
import type { Job } from './job.ts';
import { createJobClaims } from './job-claims.ts';
import { type HistoryEntry, parseHistory } from './job-history.ts';
import { listKey, openKey, openOfKey, orderContext, recordKey } from './job-keys.ts';
import { parseJob, UnreadableRecordError } from './job-record.ts';
import { jobScript } from './job-script.ts';
import type { Order } from './order.ts';
import { createRecordMoves } from './record-moves.ts';

export type { MoveFacts, MoveResult } from './record-moves.ts';

const retentionMs = 48 * 60 * 60 * 1000;

/** The only door to the keys of jobs. */
export type JobStore = ReturnType<typeof createJobStore>;

interface JobStoreOptions {
  readonly redis: Redis;
  readonly sealer: Sealer;
  /** W3C `traceparent` of the request that is being answered, kept with the job that it makes; null: it is not traced. */
  readonly here?: () => string | null;
  /** Hears of the job whose turn it is among the posts of its account, after another has left its place; and how many it has. */
  readonly onTurn?: (jobId: string, openJobs: number) => void;
}

export function createJobStore({ redis, sealer, onTurn = () => {}, here = () => null }: JobStoreOptions) {
  const { move, moveIf } = createRecordMoves({
    redis,
    keysOf: (jobId) => [recordKey(jobId), openKey],
    retentionMs,
    onTurn,
  });
  const opened = new WeakMap<Job, Order>();
  // A record that ends in this very moment must not come back as a hash of one field that has no end.
  const distrustScript = prepareScript(
    redis,
    `#!lua
    return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HSET', KEYS[1], 'reconcile', '1')`,
  );
  const { accept, findRepeat } = createAcceptor({ redis, sealer, here, retentionMs });
  const awaitTurnScript = jobScript(redis, 'await-turn');
  const leaveLaneScript = jobScript(redis, 'leave-lane');
  const { claim, claimItem, saveItem } = createJobClaims(redis);

  async function find(jobId: string): Promise<Job | null> {
    const fields = await redis.hgetall(recordKey(jobId));
    return fields.state === undefined ? null : parseJob(fields);
  }

  /** Which version of this program a record is for; 0: there is none. */
  const versionOf = async (jobId: string): Promise<number> =>
    Number((await redis.hget(recordKey(jobId), 'v')) ?? 0);

  /** The trace that a job was accepted in, as its request told `here`. */
  const traceparentOf = (jobId: string): Promise<string | null> =>
    redis.hget(recordKey(jobId), 'traceparent');

  /** What happened to a job so far, oldest first, as long as its record is kept. */
  async function history(jobId: string): Promise<HistoryEntry[]> {
    return parseHistory(await redis.lrange(`${recordKey(jobId)}:history`, 0, '-1'));
  }

  /** The order of a job, opened: once for each job that was read, however many want to see it. @throws UnsealError */
  function openOrder(job: Job): Order {
    const known = opened.get(job);
    if (known) return known;
    const plain = sealer.open(job.sealedOrder, orderContext(job.accountId, job.id));
    const order = JSON.parse(plain) as Order;
    opened.set(job, order);
    return order;
  }

  /** A page of the account's jobs, newest first, older than `before`; `last` is where the next page begins. */
  async function list(accountId: string, options: { limit: number; before?: number }) {
    const max = options.before === undefined ? '+inf' : `(${options.before}`;
    const page = await redis.zrange(
      listKey(accountId),
      max,
      '-inf',
      'BYSCORE',
      'REV',
      'LIMIT',
      0,
      options.limit,
      'WITHSCORES',
    );
    const ids = page.filter((_, index) => index % 2 === 0);
    const jobs = await Promise.all(ids.map((id) => find(id).catch(passOver)));
    return {
      jobs: jobs.filter((job) => job !== null),
      full: ids.length === options.limit,
      last: Number(page.at(-1) ?? 0),
    };
  }

  /** Open jobs whose next look is due, and Redis' clock, which says so. */
  async function due(limit: number): Promise<{ ids: string[]; now: number }> {
    const now = await clock();
    return { now, ids: await redis.zrange(openKey, '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit) };
  }

  /** Redis' own time (epoch ms), by which the times in records are set: the clocks of workers differ. */
  async function clock(): Promise<number> {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  return {
    accept,
    findRepeat,
    find,
    versionOf,
    traceparentOf,
    history,
    claim,
    claimItem,
    saveItem,
    move,
    moveIf,
    openOrder,
    list,
    due,
    clock,
    /** Takes a job from among the posts of its account that wait for their turn, without reading it, and calls the next. */
    leaveLane: async (jobId: string) => {
      const [following, openJobs] = (await leaveLaneScript([recordKey(jobId)], [jobId])) as [string, number];
      if (following) onTurn(following, openJobs);
    },
    /**
     * Whether other posts of its account go before this one, and nothing keeps the first of them. Whoever takes the last
     * of them out of the lane then says so (`onTurn`), whatever became of its entry in the queue.
     */
    awaitsTurn: async (jobId: string): Promise<boolean> =>
      (await awaitTurnScript([recordKey(jobId)], [jobId, retentionMs])) === 1,
    /** The sweeper has seen to it: look again then, by Redis' clock. */
    checkAgain: async (jobId: string, at: number) => {
      await redis.zadd(openKey, 'XX', at, jobId);
    },
    /** The record is gone (expired or wiped): nothing is left to look at. */
    forget: async (jobId: string) => {
      await redis.zrem(openKey, jobId);
    },
    /** Redis went back in time: every open job has to be looked for on X before it is sent. Resolves to how many. */
    distrust: async (): Promise<number> => {
      const ids = await redis.zrange(openKey, '0', '-1');
      for (const jobId of ids) await distrustScript([recordKey(jobId)], []);
      return ids.length;
    },
    openJobs: async (accountId: string) => await redis.scard(openOfKey(accountId)),
    openJobIds: async (accountId: string) => await redis.smembers(openOfKey(accountId)),
    /** Whether the job is still to be worked on: decides what the janitor of media files may remove. */
    isOpen: async (jobId: string) => (await redis.zscore(openKey, jobId)) !== null,
  };
}

/** One that cannot be read must not hide all others; the sweeper reports it. */
function passOver(error: unknown): null {
  if (error instanceof UnreadableRecordError) return null;
  throw error;
}
