import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Script } from '#libs/redis/script.ts';
import { randomBytes } from '#libs/sealing/random-bytes.ts';
import type { Sealer } from '#libs/sealing/sealing.ts';
import { type Job, newItem, recordVersion } from './job.ts';
import { listKey, openKey, openOfKey, orderContext, recordKey } from './job-keys.ts';
import { parseJob } from './job-record.ts';
import { jobScript } from './job-script.ts';
import { createOpenJobsLately } from './open-jobs-lately.ts';
import { fingerprintOf, isReadyAtOnce, mediaOf, type Order } from './order.ts';

const recentMs = 10 * 60 * 1000;
/** With so many, a post probably has others of its account before it, which is worth waiting to know. */
const manyOpenJobs = 16;
const recentKey = (accountId: string, fingerprint: string) => `recent:${accountId}:${fingerprint}`;

export type AcceptOutcome =
  | {
      readonly kind: 'accepted';
      readonly jobId: string;
      readonly job: Job;
      readonly openJobs: number;
      /** false: it was woken along, or waits for its turn, when whoever sends the one before it wakes it. */
      readonly isToBeWoken: boolean;
    }
  | { readonly kind: 'replayed' | 'recent' | 'key_reused'; readonly jobId: string }
  | { readonly kind: 'too_many'; readonly openJobs: number }
  | { readonly kind: 'gone' };

/** What something hangs on: keys that are there, and fields of a hash that are what they were when they were read. */
export interface Standing {
  readonly keys: readonly string[];
  readonly hash?: {
    readonly key: string;
    readonly names: readonly string[];
    readonly values: readonly (string | null)[];
  };
}

export interface AcceptRequest {
  readonly accountId: string;
  /** The account's name at X when it asked, for the URLs of its posts. */
  readonly username: string;
  readonly clientId: string;
  readonly order: Order;
  readonly idempotencyKey: string | null;
  readonly allowDuplicate: boolean;
  readonly maxOpenJobs: number;
  /** What has to be so in the very moment of accepting. */
  readonly onlyWith?: Standing | undefined;
  /**
   * Called for a post that can probably go out at once, when it is on its way to Redis: the wake-up that this sends over the
   * same connection arrives right behind it, in the same write. Hears the id that the post has if it is accepted, and how
   * many open jobs the account had lately.
   */
  readonly wakeAlong: (jobId: string, openJobs: number) => void;
}

/**
 * By whom a post is woken, in the words of accept.lua. `along`: by an entry in the queue that is sent with it, which costs
 * a worker less than a call. `turn`: by whoever sends the one before it, if there is one. `later`: by an entry for its media
 * or its time.
 */
function wakingOf(order: Order, openJobs: number): 'along' | 'turn' | 'later' {
  if (!isReadyAtOnce(order)) return 'later';
  // Somebody has to notice when it expires.
  return openJobs < manyOpenJobs || order.expiresAt !== null ? 'along' : 'turn';
}

function idempotencyKeyOf(request: Pick<AcceptRequest, 'accountId' | 'clientId'>, key: string): string {
  return `idem:${request.accountId}:${request.clientId}:${hash('sha256', key, 'base64url')}`;
}

interface AcceptorOptions {
  readonly redis: Redis;
  readonly sealer: Sealer;
  /** See `JobStoreOptions`. */
  readonly here: () => string | null;
  /** For how long it is kept that a post waits for its turn. */
  readonly retentionMs: number;
}

/** As accept.lua says. */
type Answer = readonly [
  outcome: string,
  value: string,
  openJobs: number,
  acceptedAt: number | string,
  sequence: string,
  isToBeWoken: 0 | 1,
];

/** The way of a post into the store: once for each wish, however often it is told. */
export function createAcceptor({ redis, sealer, here, retentionMs }: AcceptorOptions) {
  const acceptScript = jobScript(redis, 'accept', { known: true });
  const findRecent = jobScript(redis, 'find-recent');
  const lately = createOpenJobsLately();

  async function send(accountId: string, script: Parameters<Script>, onItsWay: () => void): Promise<Answer> {
    const answering = acceptScript(...script);
    onItsWay();
    let openJobs: number | null = null;
    try {
      const answer = (await answering) as Answer;
      if (answer[0] === 'new') openJobs = answer[2];
      return answer;
    } finally {
      lately.sent(accountId, openJobs);
    }
  }

  async function accept(request: AcceptRequest): Promise<AcceptOutcome> {
    const { accountId, order } = request;
    const jobId = randomBytes(16).toString('hex');
    const fingerprint = fingerprintOf(order);
    const idem = request.idempotencyKey === null ? '' : idempotencyKeyOf(request, request.idempotencyKey);
    const sealedOrder = sealer.seal(JSON.stringify(order), orderContext(accountId, jobId));
    const { keys = [], hash: asRead } = request.onlyWith ?? {};
    const media = mediaOf(order).length;
    const traceparent = here();
    const more: Record<string, string> = {};
    if (media > 0) more.media = String(media);
    if (order.publishAt !== null) more.publish_at = String(order.publishAt);
    if (order.expiresAt !== null) more.expires_at = String(order.expiresAt);
    if (traceparent !== null) more.traceparent = traceparent;
    for (let index = 0; index < media; index++) {
      more[`item:${index}`] = JSON.stringify(newItem);
      more[`item:${index}:step`] = 'new';
    }
    const before = lately.sending(accountId);
    const waking = wakingOf(order, before);
    const script: Parameters<Script> = [
      [
        recordKey(jobId),
        idem,
        recentKey(accountId, fingerprint),
        openKey,
        listKey(accountId),
        openOfKey(accountId),
        asRead?.key ?? '',
        ...keys,
      ],
      [
        ...[jobId, accountId, request.username, request.clientId, recordVersion, sealedOrder, fingerprint],
        request.idempotencyKey === null && !request.allowDuplicate ? 1 : 0,
        recentMs,
        request.maxOpenJobs,
        waking,
        retentionMs,
        asRead?.names.length ?? 0,
        ...(asRead?.names ?? []),
        ...(asRead?.values.map((value) => value ?? '') ?? []),
        ...Object.entries(more).flat(),
      ],
    ];
    const onItsWay = () => waking === 'along' && request.wakeAlong(jobId, before);
    const [outcome, value, openJobs, acceptedAt, sequence, isToBeWoken] = await send(
      accountId,
      script,
      onItsWay,
    );
    switch (outcome) {
      case 'new': {
        const at = String(acceptedAt);
        const job = parseJob({
          ...{ v: String(recordVersion), id: jobId, account: accountId, username: request.username },
          ...{ client: request.clientId, state: 'accepted', order: sealedOrder, fingerprint, ...more },
          ...{ accepted_at: at, updated_at: at, sequence },
        });
        return { kind: 'accepted', jobId: value, job, openJobs, isToBeWoken: isToBeWoken === 1 };
      }
      case 'replay':
        return { kind: 'replayed', jobId: value };
      case 'recent':
        return { kind: 'recent', jobId: value };
      case 'reused':
        return { kind: 'key_reused', jobId: value };
      case 'gone':
        return { kind: 'gone' };
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
    const recent = await findRecent([recentKey(request.accountId, fingerprint)], [recentMs]);
    return recent === '' ? null : String(recent);
  }

  return { accept, findRepeat };
}
