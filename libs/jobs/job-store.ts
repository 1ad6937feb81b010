import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { prepareScript, type Script } from '#libs/redis/script.ts';
import { randomBytes } from '#libs/sealing/random-bytes.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import { type Job, type MediaItem, newItem, recordVersion } from './job.ts';
import { type HistoryEntry, historyLength, parseHistory, tellItem } from './job-history.ts';
import { type ItemStep, parseJob, UnreadableRecordError } from './job-record.ts';
import { fingerprintOf, mediaOf, type Order } from './order.ts';
import { createRecordMoves } from './record-moves.ts';

export type { MoveFacts, MoveResult } from './record-moves.ts';

const retentionMs = 48 * 60 * 60 * 1000;
const recentMs = 10 * 60 * 1000;
/** How long after a claim or a save the sweeper looks whether somebody still works on it. */
const checkAfterMs = 30_000;
/** Claims within this time are doubled entries and no crash: shorter than any lock of the queue. */
const sameStartMs = 2000;

export type AcceptOutcome =
  | { readonly kind: 'accepted'; readonly jobId: string; readonly job: Job; readonly openJobs: number }
  | { readonly kind: 'replayed' | 'recent' | 'key_reused'; readonly jobId: string }
  | { readonly kind: 'too_many'; readonly openJobs: number };

export interface AcceptRequest {
  readonly accountId: string;
  /** The account's name at X when it asked, for the URLs of its posts. */
  readonly username: string;
  readonly clientId: string;
  readonly order: Order;
  readonly idempotencyKey: string | null;
  readonly allowDuplicate: boolean;
  readonly maxOpenJobs: number;
}

export type SaveItemResult =
  | { readonly saved: false }
  | { readonly saved: true; prepared: boolean; ready: boolean };

/** The only door to the keys of jobs. */
export type JobStore = ReturnType<typeof createJobStore>;

const openKey = 'jobs:open';
export const recordKey = (jobId: string) => `job:${jobId}`;
const recentKey = (accountId: string, fingerprint: string) => `recent:${accountId}:${fingerprint}`;
const listKey = (accountId: string) => `jobs:of:${accountId}`;
export const orderContext = (accountId: string, jobId: string) => ({
  record: 'order',
  account: accountId,
  id: jobId,
});

function idempotencyKeyOf(request: Pick<AcceptRequest, 'accountId' | 'clientId'>, key: string): string {
  return `idem:${request.accountId}:${request.clientId}:${hash('sha256', key, 'base64url')}`;
}

interface JobStoreOptions {
  readonly redis: Redis;
  readonly sealer: Sealer;
  /** W3C `traceparent` of the request that is being answered, kept with the job that it makes; null: it is not traced. */
  readonly here?: () => string | null;
  /** Hears of the job whose turn it is among the posts of its account, after another has left its place; and how many it has. */
  readonly onTurn?: (jobId: string, openJobs: number) => void;
}

export function createJobStore({ redis, sealer, onTurn = () => {}, here = () => null }: JobStoreOptions) {
  const script = (name: string, flags = ''): Script =>
    prepareScript(
      redis,
      `#!lua${flags}\n${readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8')}`,
    );
  const acceptScript = script('accept');
  const claimScript = script('claim');
  const saveItemScript = script('save-item', ' flags=allow-oom');
  const { move, moveIf } = createRecordMoves({
    redis,
    keysOf: (jobId) => [recordKey(jobId), openKey],
    retentionMs,
    onTurn,
  });
  const opened = new WeakMap<Job, Order>();

  async function accept(request: AcceptRequest): Promise<AcceptOutcome> {
    const { accountId, order } = request;
    const jobId = randomBytes(16).toString('hex');
    const fingerprint = fingerprintOf(order);
    const idem = request.idempotencyKey === null ? '' : idempotencyKeyOf(request, request.idempotencyKey);
    const items = mediaOf(order).flatMap((_, index) => [
      [`item:${index}`, JSON.stringify(newItem)],
      [`item:${index}:step`, 'new'],
    ]);
    const fields: Record<string, string> = {
      v: String(recordVersion),
      id: jobId,
      account: accountId,
      username: request.username,
      client: request.clientId,
      state: 'accepted',
      order: sealer.seal(JSON.stringify(order), orderContext(accountId, jobId)),
      fingerprint,
      idem,
      media: String(items.length / 2),
      ...(order.publishAt === null ? {} : { publish_at: String(order.publishAt) }),
      ...(order.expiresAt === null ? {} : { expires_at: String(order.expiresAt) }),
      ...Object.fromEntries(items),
    };
    const traceparent = here();
    if (traceparent !== null) fields.traceparent = traceparent;
    const look = request.idempotencyKey === null && !request.allowDuplicate;
    const [outcome, value, openJobs, acceptedAt, sequence] = (await acceptScript(
      [
        recordKey(jobId),
        idem,
        recentKey(accountId, fingerprint),
        openKey,
        listKey(accountId),
        `open:${accountId}`,
      ],
      [
        jobId,
        fingerprint,
        look ? 1 : 0,
        recentMs,
        request.maxOpenJobs,
        items.length === 0 && order.publishAt === null ? 1 : 0,
        accountId,
        ...Object.entries(fields).flat(),
      ],
    )) as [string, string, number, number | string, string];
    switch (outcome) {
      case 'new': {
        const at = String(acceptedAt);
        const job = parseJob({ ...fields, accepted_at: at, updated_at: at, sequence });
        opened.set(job, order);
        return { kind: 'accepted', jobId: value, job, openJobs };
      }
      case 'replay':
        return { kind: 'replayed', jobId: value };
      case 'recent':
        return { kind: 'recent', jobId: value };
      case 'reused':
        return { kind: 'key_reused', jobId: value };
      default:
        return { kind: 'too_many', openJobs: Number(value) };
    }
  }

  /** The job that this very content led to, by its key or (without one) within the window, whatever has passed meanwhile. */
  async function findRepeat(
    request: Pick<AcceptRequest, 'accountId' | 'clientId' | 'order'>,
    key: string | null,
  ): Promise<string | null> {
    const fingerprint = fingerprintOf(request.order);
    if (key !== null) {
      const known = await redis.hmget(idempotencyKeyOf(request, key), 'job', 'fingerprint');
      return known[0] && known[1] === fingerprint ? known[0] : null;
    }
    const recent = await redis.get(recentKey(request.accountId, fingerprint));
    const state = recent && (await redis.hget(recordKey(recent), 'state'));
    return state && state !== 'failed' && state !== 'canceled' ? recent : null;
  }

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

  /** Takes the job over for one worker run; null when there is nothing to do any more. */
  async function claim(jobId: string, owner: string): Promise<Job | null> {
    return toJob(
      await claimScript(
        [recordKey(jobId), openKey],
        [jobId, owner, '', recordVersion, checkAfterMs, sameStartMs],
      ),
    );
  }

  /** Takes one media item over; `starts` counts the runs that began on its present stage. */
  async function claimItem(jobId: string, index: number, owner: string) {
    const args = [jobId, owner, index, recordVersion, checkAfterMs, sameStartMs];
    const fields = toObject(await claimScript([recordKey(jobId), openKey], args));
    const job = fields.state === undefined ? null : parseJob(fields);
    return job && { job, starts: Number(fields[`item:${index}:starts`] ?? 0) };
  }

  async function saveItem(
    jobId: string,
    index: number,
    owner: string,
    item: MediaItem,
    { step, passed = false, goesOn = false }: { step: ItemStep; passed?: boolean; goesOn?: boolean },
  ): Promise<SaveItemResult> {
    const [saved, prepared, ready] = (await saveItemScript(
      [recordKey(jobId), openKey],
      [
        jobId,
        index,
        owner,
        JSON.stringify(item),
        step,
        passed ? Number(goesOn) : '',
        checkAfterMs,
        tellItem(index, item),
        historyLength,
      ],
    )) as [number, number | string, number];
    return saved === 1 ? { saved: true, prepared: prepared === 1, ready: ready === 1 } : { saved: false };
  }

  /** The order of a job, opened: once for each job that was read, however many want to see it. */
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

  /** Open jobs whose next look is due, by Redis' clock. */
  async function due(limit: number): Promise<string[]> {
    return await redis.zrange(openKey, '-inf', String(await clock()), 'BYSCORE', 'LIMIT', 0, limit);
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
    /** The sweeper has seen to it: look again then. */
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
      for (const jobId of ids) {
        const known = (await redis.exists(recordKey(jobId))) === 1;
        if (known) await redis.hset(recordKey(jobId), { reconcile: '1' });
      }
      return ids.length;
    },
    openJobs: async (accountId: string) => await redis.scard(`open:${accountId}`),
    openJobIds: async (accountId: string) => await redis.smembers(`open:${accountId}`),
    /** Whether the job is still to be worked on: decides what the janitor of media files may remove. */
    isOpen: async (jobId: string) => (await redis.zscore(openKey, jobId)) !== null,
  };
}

/** One that cannot be read must not hide all others; the sweeper reports it. */
function passOver(error: unknown): null {
  if (error instanceof UnreadableRecordError) return null;
  throw error;
}

function toObject(answer: unknown): Record<string, string> {
  const list = answer as string[];
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) fields[list[index] ?? ''] = list[index + 1] ?? '';
  return fields;
}

function toJob(answer: unknown): Job | null {
  const fields = toObject(answer);
  return fields.state === undefined ? null : parseJob(fields);
}
