import type { Job, Observation } from '#libs/jobs/job.ts';

/** What to do about an attempt of unknown outcome, after the last read. */
export type ConfirmStep =
  | { readonly kind: 'read_at'; readonly at: number }
  /** Conclusively absent. */
  | { readonly kind: 'absent' }
  /** X has refused to show it for too long. */
  | { readonly kind: 'give_up' };

/** The window that all waits below are made for: 60 s, or less where `confirmAfterMs` is less. */
const usualMs = 60_000;

export const noObservation: Observation = {
  firstAbsentAt: null,
  lastAbsentAt: null,
  absentReads: 0,
  refusedReads: 0,
  refusedSince: null,
  refusedAt: null,
  duplicate: false,
};

/**
 * When to read next, or what the reads so far prove. At +2 s and +15 s only a find counts; absent needs two good
 * reads at least 30 s apart, the last not before `confirmAfterMs` after the intent. Reads that X refuses are repeated
 * for 15 minutes, however long ago the intent was: nobody may have looked before. A shorter `confirmAfterMs` shortens all of this alike. Times are epoch ms.
 */
export function planConfirm(
  { intentAt, confirmAfterMs, now }: { intentAt: number; confirmAfterMs: number; now: number },
  seen: Observation,
): ConfirmStep {
  const { firstAbsentAt, lastAbsentAt } = seen;
  const apartMs = Math.min(30_000, confirmAfterMs / 2);
  const conclusive = intentAt + confirmAfterMs;
  if (firstAbsentAt !== null && lastAbsentAt !== null) {
    // X refused the text as a duplicate: a single good read shows the other post if it is ours.
    if (seen.duplicate) return { kind: 'absent' };
    if (seen.absentReads >= 2 && lastAbsentAt >= conclusive && lastAbsentAt - firstAbsentAt >= apartMs)
      return { kind: 'absent' };
  }
  if (seen.refusedReads > 0) {
    const unit = Math.min(usualMs, confirmAfterMs);
    if (now - (seen.refusedSince ?? intentAt) > 15 * unit) return { kind: 'give_up' };
    return {
      kind: 'read_at',
      at: (seen.refusedAt ?? now) + Math.min(unit, (unit / 12) * 2 ** (seen.refusedReads - 1)),
    };
  }
  if (seen.duplicate) return { kind: 'read_at', at: now };
  const scale = Math.min(1, confirmAfterMs / usualMs);
  const early = [intentAt + 2000 * scale, intentAt + 15_000 * scale];
  const next = early.find((at) => at > (lastAbsentAt ?? 0) && seen.absentReads < early.indexOf(at) + 1);
  if (next !== undefined) return { kind: 'read_at', at: next };
  return { kind: 'read_at', at: Math.max(conclusive, (firstAbsentAt ?? now) + apartMs) };
}

/**
 * Counts a good read that did not show the post, but perhaps one of another job with the same content. `now` is when the
 * read began: an answer that took long, or was looked at late, says nothing about later.
 */
export function withAbsentRead(
  seen: Observation,
  now: number,
  { othersPost }: Pick<Observation, 'othersPost'> = {},
): Observation {
  return {
    ...seen,
    ...(othersPost === undefined ? {} : { othersPost }),
    firstAbsentAt: seen.firstAbsentAt ?? now,
    lastAbsentAt: now,
    absentReads: seen.absentReads + 1,
    refusedReads: 0,
    refusedSince: null,
    refusedAt: null,
  };
}

/** Counts a read that X refused or left unanswered. `now`: when it began. */
export function withRefusedRead(seen: Observation, now: number): Observation {
  const refusedSince = seen.refusedReads === 0 ? now : (seen.refusedSince ?? null);
  return { ...seen, refusedReads: seen.refusedReads + 1, refusedSince, refusedAt: now };
}

/** Clocks of X and ours may differ, and X stamps a post when it likes within the request. */
const toleranceMs = 60_000;

/**
 * From when on a post on X can be ours, epoch ms. One refused as a duplicate may have been made by an earlier try of this
 * job: that looks back to its acceptance, and never to before its time, when others may have posted the same.
 */
export function windowStart(
  job: Pick<Job, 'observation' | 'acceptedAt' | 'firstIntentAt' | 'intentAt' | 'publishAt'>,
): number {
  const from = job.observation?.duplicate
    ? job.acceptedAt
    : (job.firstIntentAt ?? job.intentAt ?? job.acceptedAt);
  return Math.max(from, job.publishAt ?? 0) - toleranceMs;
}

/** How long an answer takes, and that `Date` tells no more than seconds, explains less than this; no clock is wrong by more than a day. */
const [smallestMs, largestMs] = [5000, 24 * 60 * usualMs];

/**
 * By how much X's clock, as its answer tells it, is behind ours, ms. One that is ahead needs nothing: what it makes is
 * later than we look for.
 */
export function clockBehind(date: number | null, now: number): number {
  const behindMs = date === null ? 0 : now - date;
  return behindMs < smallestMs || behindMs > largestMs ? 0 : behindMs;
}

/** The most attempts on one post that may each have created it. */
const maxAttempts = 2;

/** What becomes of a post that is surely not to be seen on X. */
export type AbsentStep = 'created' | 'duplicate' | 'give_up' | 'expired' | 'resend';

export function planAbsent(
  job: Pick<Job, 'createdWithoutId' | 'observation' | 'openAttempts' | 'expiresAt'>,
  { resendPolicy, now }: { resendPolicy: 'once' | 'never'; now: number },
): AbsentStep {
  // X said so itself: only its id stays unknown.
  if (job.createdWithoutId) return 'created';
  const again = job.openAttempts >= maxAttempts;
  // X has this text from somebody, and nobody else is known to have sent it: perhaps our first attempt, not shown yet.
  if (job.observation?.duplicate) return again ? 'give_up' : 'duplicate';
  if (again || resendPolicy === 'never') return 'give_up';
  return job.expiresAt !== null && job.expiresAt <= now ? 'expired' : 'resend';
}

/** When an unconfirmed job is looked at again: 5 minutes, 1 hour and 24 hours after it ended; null after that. */
export function nextObservation(endedAt: number, now: number): number | null {
  const minute = 60_000;
  return [5, 60, 24 * 60].map((after) => endedAt + after * minute).find((at) => at > now) ?? null;
}
