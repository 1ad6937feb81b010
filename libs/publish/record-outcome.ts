import { setTimeout as delay } from 'node:timers/promises';
import type { Job, JobError, MediaItem, WaitReason } from '#libs/jobs/job.ts';
import type { JobPatch } from '#libs/jobs/job-record.ts';
import type { MoveFacts, MoveResult } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import type { Order } from '#libs/jobs/order.ts';
import { noObservation } from './confirm-plan.ts';
import type { PublishDeps } from './publisher.ts';
import { itemsOfPost } from './send-tweet.ts';
import type { Verdict } from './verdict.ts';

const minute = 60_000;
const maxUnsentTries = 10;
const maxUnsentMs = 60 * minute;
/** How long credits may be missing before the job is given up. */
const maxCreditsWaitMs = 60 * minute;
const keepTryingMs = 10 * minute;

/** The kind of outcome that the spool keeps when Redis does not take it: what X has cannot be asked again. */
export const outcomeKind = 'outcome';

/** A fresh start for the next post of a thread: what was known of the last attempt does not concern it. */
const forgetAttempt = {
  attemptId: null,
  intentAt: null,
  firstIntentAt: null,
  deadlineAt: null,
  openAttempts: 0,
  observation: null,
  failures: 0,
  failingSince: null,
  renewedToken: false,
  notBefore: null,
  waitReason: null,
  starts: 0,
} as const satisfies JobPatch;

/** Writes down that X has the present post; the thread goes on, or the job is published. */
export async function recordCreated(
  deps: PublishDeps,
  job: Job,
  order: Order,
  tweet: { readonly id: string | null; readonly claim: 'take' | 'if_free' },
): Promise<MoveResult> {
  const last = job.cursor + 1 >= order.posts.length || tweet.id === null;
  const facts: MoveFacts = last
    ? {
        cursor: job.cursor,
        tweet,
        patch: { createdWithoutId: tweet.id === null, notBefore: null, waitReason: null },
      }
    : { cursor: job.cursor, tweet, checkAfterMs: 5000, patch: { ...forgetAttempt, cursor: job.cursor + 1 } };
  return await moveWhatever(deps, job, last ? 'created' : 'createdNext', facts);
}

/** Writes down what the answer to one attempt means for the job. */
export async function recordOutcome(
  deps: PublishDeps,
  job: Job,
  order: Order,
  verdict: Verdict,
): Promise<void> {
  const about = { attemptId: job.attemptId ?? '', cursor: job.cursor };
  const move = (name: MoveName, facts: MoveFacts) => moveWhatever(deps, job, name, { ...about, ...facts });
  const reject = (error: JobError) =>
    move('rejected', { patch: { error, notBefore: null, waitReason: null } });
  const notCreated = (patch: JobPatch) =>
    move('notCreated', {
      patch: { openAttempts: job.openAttempts, starts: 0, ...patch },
      checkAfterMs: 15_000,
    });
  switch (verdict.kind) {
    case 'created':
      await recordCreated(deps, job, order, { id: verdict.tweetId, claim: 'take' });
      return;
    case 'created_no_id':
      await move('outcomeUnknown', {
        checkAfterMs: 5000,
        patch: { createdWithoutId: true, observation: noObservation, starts: 0 },
      });
      return;
    case 'duplicate':
      await move('outcomeUnknown', {
        checkAfterMs: 5000,
        patch: { observation: { ...noObservation, duplicate: true }, starts: 0 },
      });
      return;
    case 'unknown':
      await move('outcomeUnknown', { checkAfterMs: 5000, patch: { observation: noObservation, starts: 0 } });
      return;
    case 'not_sent':
      await recordNotSent();
      return;
    case 'token':
      if (job.renewedToken)
        await reject({
          code: 'reconnect_needed',
          detail: 'X no longer accepts the sign-in of this account. Connect it again, then post again.',
        });
      else await notCreated({ renewedToken: true });
      return;
    case 'credits':
      await recordWait('credits', maxCreditsWaitMs, {
        code: 'x_credits_depleted',
        detail: 'The X app has had no credits for an hour. Its operator has to add credits at X.',
      });
      return;
    case 'limited':
      await recordWait('limit', 26 * 60 * minute, {
        code: 'x_limited',
        detail: 'X has limited this account for more than a day.',
      });
      return;
    case 'rejected':
      await recordRejected(verdict);
      return;
  }

  async function recordNotSent(): Promise<void> {
    const now = (deps.now ?? Date.now)();
    const failures = job.failures + 1;
    const failingSince = job.failingSince ?? now;
    if (failures > maxUnsentTries || now - failingSince > maxUnsentMs) {
      await reject({
        code: 'x_unavailable',
        detail: 'X could not be reached for a long time. Nothing was sent.',
      });
      return;
    }
    await notCreated({ failures, failingSince, notBefore: now + backOff(failures), waitReason: 'x_down' });
  }

  /** A limit or missing credits: not this post's fault, so nothing is counted but the time. */
  async function recordWait(reason: WaitReason, mostMs: number, error: JobError): Promise<void> {
    const now = (deps.now ?? Date.now)();
    const failingSince = job.failingSince ?? now;
    if (now - failingSince > mostMs) {
      await reject(error);
      return;
    }
    const passage = await deps.gate.peek(job.accountId, 'create_tweet');
    const notBefore = passage.open ? now + 1000 : passage.until;
    await notCreated({ failingSince, notBefore, waitReason: reason });
  }

  async function recordRejected(verdict: Verdict & { kind: 'rejected' }): Promise<void> {
    const now = (deps.now ?? Date.now)();
    const indexes = itemsOfPost(job, order, job.cursor);
    const fresh = indexes.every((index) => job.media[index]?.reuploads === 0);
    if (verdict.cure === 'media_again' && indexes.length > 0 && fresh) {
      // X also says this of media that it has only just finished: a moment's wait belongs to the cure.
      await notCreated({ notBefore: now + 3000, items: uploadAgain(job, indexes) });
    } else if (verdict.cure === 'reply_later' && job.cursor > 0 && job.failures < 5) {
      await notCreated({ failures: job.failures + 1, notBefore: now + backOff(job.failures + 1) });
    } else await reject({ code: verdict.code, detail: verdict.detail });
  }
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
    };
    return [[index, { item: again, step: again.prepared ? 'prepared' : 'new' }] as const];
  });
  return Object.fromEntries(entries);
}

/** Exponential with jitter: 1 s, 2 s, 4 s … up to 5 minutes. */
export function backOff(failures: number, random: () => number = Math.random): number {
  return Math.min(5 * minute, 1000 * 2 ** (failures - 1)) * (0.75 + random() / 2);
}

/**
 * A move that must not be lost for want of Redis: repeated for ten minutes; what X has created goes to the spool at
 * the first failure, so that a crash meanwhile does not lose the id either.
 */
async function moveWhatever(
  deps: PublishDeps,
  job: Job,
  name: MoveName,
  facts: MoveFacts,
): Promise<MoveResult> {
  const moveId = `${name}:${job.attemptId ?? job.id}:${job.cursor}:${job.fence}`;
  const until = performance.now() + keepTryingMs;
  let spooled: string | null = null;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
    try {
      const result = await deps.jobs.move(job.id, name, { ...facts, moveId });
      if (spooled !== null) await deps.spool.drop(spooled).catch(() => {});
      return result;
    } catch (error) {
      if (spooled === null && facts.tweet)
        spooled = await spoolOutcome(deps, job, name, { ...facts, moveId });
      if (performance.now() > until) throw error;
      await delay(pauseMs);
    }
  }
}

async function spoolOutcome(
  deps: PublishDeps,
  job: Job,
  name: MoveName,
  facts: MoveFacts,
): Promise<string | null> {
  try {
    return await deps.spool.append(outcomeKind, { jobId: job.id, accountId: job.accountId, name, facts });
  } catch (error) {
    deps.report({
      jobId: job.id,
      level: 'error',
      message: 'An outcome could be written neither to Redis nor to the spool',
      error,
    });
    return null;
  }
}
