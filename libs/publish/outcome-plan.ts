import type { Job, JobError, MediaItem, WaitReason } from '#libs/jobs/job.ts';
import { type JobPatch, neverTried } from '#libs/jobs/job-record.ts';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import type { Order } from '#libs/jobs/order.ts';
import { noObservation } from './confirm-plan.ts';
import { untilExpiry } from './expiry.ts';
import { mayHaveForgotten } from './intent.ts';
import { failingSince, limitedTooLong, maxLimitedMs, noCredits, unreachable } from './patience.ts';
import { itemsOfPost } from './tweet-draft.ts';
import type { Verdict } from './verdict.ts';

const minute = 60_000;
const maxUnsentTries = 10;
/** How long credits may be missing, or X out of reach, before a job is given up, unless the operator says otherwise. */
export const usualGiveUpAfterMs = 60 * minute;
const maxReplyTries = 5;

/** A move of the record, with what it checks and writes. */
export interface PlannedMove {
  readonly name: MoveName;
  readonly facts: MoveFacts;
}

export interface OutcomeContext {
  /** Epoch ms. */
  readonly now: number;
  /** When X's limits or credits let the post pass again, epoch ms; null when nothing is known to be closed. */
  readonly opensAt: number | null;
  /** From 0 to 1, for the jitter of back-offs. */
  readonly random: number;
  readonly giveUpAfterMs?: number;
}

/** X has the present post: the thread goes on, or the job is published. */
export function planCreated(
  job: Pick<Job, 'cursor' | 'reconcile' | 'firstIntentAt' | 'acceptedAt'>,
  order: Order,
  tweet: NonNullable<MoveFacts['tweet']>,
): PlannedMove {
  const { cursor } = job;
  const last = cursor + 1 >= order.posts.length;
  if (!last && tweet.id === null)
    return { name: 'createdAlone', facts: { cursor, tweet, patch: { error: threadBroken } } };
  if (!last) {
    // Where one was found that the record had forgotten, the next one may be there as well.
    const forgotten = tweet.claim === 'if_free' && mayHaveForgotten(job) && { reconcile: true as const };
    const patch = { ...neverTried, ...forgotten, cursor: cursor + 1 };
    return { name: 'createdNext', facts: { cursor, tweet, checkAfterMs: 5000, patch } };
  }
  const patch = { createdWithoutId: tweet.id === null, notBefore: null, waitReason: null, error: null };
  return { name: 'created', facts: { cursor, tweet, patch } };
}

/** The same of a thread that somebody has ended meanwhile; null: such a thing cannot be said of this move. */
export function planCreatedLate({ name, facts }: PlannedMove): PlannedMove | null {
  if (name !== 'createdNext' && name !== 'createdAlone') return null;
  return { name: 'createdLate', facts: { ...facts, patch: { cursor: (facts.cursor ?? 0) + 1 } } };
}

/** What the answer to one attempt means for the job (the answer table for creating a post). */
export function planOutcome(job: Job, order: Order, verdict: Verdict, context: OutcomeContext): PlannedMove {
  switch (verdict.kind) {
    case 'created':
      return planCreated(job, order, { id: verdict.tweetId, claim: 'take' });
    case 'created_no_id':
      return unknown(job, { createdWithoutId: true, observation: noObservation });
    case 'duplicate':
      return unknown(job, { observation: { ...noObservation, duplicate: true } });
    case 'unknown':
      return unknown(job, { observation: noObservation });
    case 'not_sent':
      return planNotSent(job, context);
    case 'held_back':
      return notCreated(job, {});
    case 'token':
      return job.renewedToken ? rejected(job, reconnectNeeded) : notCreated(job, { renewedToken: true });
    case 'credits':
      return planWait(job, context, {
        reason: 'credits',
        mostMs: context.giveUpAfterMs ?? usualGiveUpAfterMs,
        error: noCredits,
      });
    case 'limited':
      return planWait(job, context, { reason: 'limit', mostMs: maxLimitedMs, error: limitedTooLong });
    case 'rejected':
      return planRejected(job, order, verdict, context);
  }
}

const reconnectNeeded: JobError = {
  code: 'reconnect_needed',
  detail: 'X no longer accepts the sign-in of this account. Connect it again, then post again.',
};

const threadBroken: JobError = {
  code: 'x_unavailable',
  detail:
    'A post of the thread is on X, but its id could not be found out, so the next one cannot answer it.',
};

/** X has judged the post, and so has taken the token: an earlier 401 is dealt with. */
const tokenIsGood = { renewedToken: false } as const;

const aboutOf = (job: Job) => ({ attemptId: job.attemptId ?? '', cursor: job.cursor });

function unknown(job: Job, patch: JobPatch): PlannedMove {
  const facts = { ...aboutOf(job), checkAfterMs: 5000, patch: { ...patch, starts: 0 } };
  return { name: 'outcomeUnknown', facts };
}

function rejected(job: Job, error: JobError): PlannedMove {
  return {
    name: 'rejected',
    facts: { ...aboutOf(job), patch: { error, notBefore: null, waitReason: null } },
  };
}

/** `job` is as it was before this attempt: its count of open attempts takes this one back. */
function notCreated(job: Job, patch: JobPatch): PlannedMove {
  const wait = patch.notBefore ? { notBefore: untilExpiry(job, patch.notBefore) } : {};
  return {
    name: 'notCreated',
    facts: {
      ...aboutOf(job),
      patch: { openAttempts: job.openAttempts, starts: 0, ...patch, ...wait },
      checkAfterMs: 15_000,
    },
  };
}

function planNotSent(
  job: Job,
  { now, random, giveUpAfterMs = usualGiveUpAfterMs }: OutcomeContext,
): PlannedMove {
  const failures = job.failures + 1;
  const since = failingSince(job, 'x_down', now);
  if (failures > maxUnsentTries || now - since > giveUpAfterMs) return rejected(job, unreachable);
  const notBefore = now + unsentBackOff(failures, giveUpAfterMs, random);
  return notCreated(job, { failures, failingSince: since, notBefore, waitReason: 'x_down' });
}

/** Soon at first, then each wait as much longer as it takes for all tries together to fill the patience: of an hour, 2.3 times. */
function unsentBackOff(failures: number, giveUpAfterMs: number, random: number): number {
  const growth = Math.max(1, giveUpAfterMs / 1750) ** (1 / (maxUnsentTries - 1));
  return 1000 * growth ** (failures - 1) * (0.75 + random / 2);
}

/** A limit or missing credits: not this post's fault, so nothing is counted but the time. */
function planWait(
  job: Job,
  { now, opensAt }: OutcomeContext,
  wait: { reason: WaitReason; mostMs: number; error: JobError },
): PlannedMove {
  const since = failingSince(job, wait.reason, now);
  if (now - since > wait.mostMs) return rejected(job, wait.error);
  const notBefore = opensAt ?? now + 1000;
  return notCreated(job, { ...tokenIsGood, failingSince: since, notBefore, waitReason: wait.reason });
}

function planRejected(
  job: Job,
  order: Order,
  verdict: Verdict & { kind: 'rejected' },
  { now, random }: OutcomeContext,
): PlannedMove {
  // Nothing may be called failed that an earlier attempt may have brought to X.
  if (verdict.mayBeDuplicate && job.openAttempts > 0) return unknown(job, { observation: noObservation });
  const indexes = itemsOfPost(job, order, job.cursor);
  const fresh = indexes.every((index) => job.media[index]?.reuploads === 0);
  // X also says this of media that it has only just finished: a moment's wait belongs to the cure.
  if (verdict.cure === 'media_again' && indexes.length > 0 && fresh)
    return notCreated(job, { ...tokenIsGood, notBefore: now + 3000, items: uploadAgain(job, indexes) });
  if (verdict.cure === 'reply_later' && job.cursor > 0 && job.failures < maxReplyTries) {
    const failures = job.failures + 1;
    return notCreated(job, { ...tokenIsGood, failures, notBefore: now + backOff(failures, random) });
  }
  return rejected(job, { code: verdict.code, detail: verdict.detail });
}

/** These items lose their place at X and keep their bytes on disk. */
export function uploadAgain(job: Job, indexes: readonly number[]): NonNullable<JobPatch['items']> {
  const entries = indexes.flatMap((index) => {
    const item = job.media[index];
    if (!item) return [];
    const again: MediaItem = {
      ...item,
      stage: 'waiting',
      progress: 0,
      upload: null,
      reuploads: item.reuploads + 1,
      failures: 0,
      failingSince: null,
    };
    return [[index, { item: again, step: again.prepared ? 'prepared' : 'new' }] as const];
  });
  return Object.fromEntries(entries);
}

/** Exponential with jitter: 1 s, 2 s, 4 s … up to 5 minutes. */
export function backOff(failures: number, random: number = Math.random()): number {
  return Math.min(5 * minute, 1000 * 2 ** (failures - 1)) * (0.75 + random / 2);
}
