import type { Job, JobError } from '#libs/jobs/job.ts';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { UnknownKeyError } from '#libs/sealing/sealing.ts';
import { leaveUnconfirmed, lookFirst, observeLater, unknownOutcome } from './confirm.ts';
import { backAfter, untilExpiry } from './expiry.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import type { ItemRun } from './run-item.ts';

/**
 * A key that is missing here may be back tomorrow, or be known to the worker that is woken next: until then nobody can
 * tell what the post says, or act for its account.
 */
const keyGone: JobError = {
  code: 'internal_error',
  detail:
    'This server no longer has the key that the post, or the sign-in of its account, was sealed with. Its operator can bring the key back.',
};

/** The job waits as it stands; in the end it fails, or is left to its user where it may be on X. */
export async function waitForKey(
  deps: PublishDeps,
  job: Job,
  owner: string,
  error: UnknownKeyError,
): Promise<RunResult> {
  const now = deps.now();
  if (job.state === 'unconfirmed') {
    await observeLater(deps, job, owner);
    return null;
  }
  if (job.state === 'sending') {
    const leftMs = (job.deadlineAt ?? now) - now;
    if (leftMs <= 0) await deps.jobs.move(job.id, 'deadlinePassed', unknownOutcome());
    return now + Math.max(0, leftMs) + 100;
  }
  const since = job.state === 'confirming' ? (job.intentAt ?? now) : waitingSince(job, now);
  const overdue = now - since > deps.policy.giveUpAfterMs;
  if (overdue && job.state === 'confirming') {
    await leaveUnconfirmed(deps, job, owner);
    return null;
  }
  if (overdue) return (await fail(deps, job, { owner })) ? null : await look();
  const first = job.waitReason !== 'key';
  if (first) tell(deps, job, error);
  const again = now + pauseMs(now - since);
  const isConfirming = job.state === 'confirming';
  // What may be on X does not fail when it expires.
  const isInDoubt = isConfirming || job.reconcile;
  const until = isInDoubt ? again : untilExpiry(job, again);
  const wait = isConfirming ? {} : { notBefore: until, failingSince: since };
  await deps.jobs.move(job.id, 'note', {
    owner,
    // Named once: each time would be another line of the post's past.
    patch: { starts: 0, ...wait, ...(first ? { waitReason: 'key' as const } : {}) },
    checkAt: until + 5000,
  });
  return isInDoubt ? again : backAfter(job, again, now);

  /** Redis has forgotten things: the post may be on X, and is not called failed before that is known. */
  async function look(): Promise<RunResult> {
    await lookFirst(deps, job, owner);
    return now + 1000;
  }
}

/** The same for one media item of a job. */
export async function itemWaitsForKey(
  deps: PublishDeps,
  job: Job,
  { item, index, owner, save }: Pick<ItemRun, 'item' | 'index' | 'owner' | 'save'>,
  error: UnknownKeyError,
): Promise<RunResult> {
  const now = deps.now();
  const since = waitingSince(item, now);
  if (now - since > deps.policy.giveUpAfterMs) {
    if (await fail(deps, job, { owner, item: index })) await deps.mediaStore.remove(job.id);
    return null;
  }
  if (item.waitReason !== 'key') tell(deps, job, error);
  const again = now + pauseMs(now - since);
  const notBefore = untilExpiry(job, again);
  await save({ notBefore, waitReason: 'key', failingSince: since }, { passed: true });
  return backAfter(job, again, now);
}

function waitingSince(
  waiting: Pick<Job, 'waitReason'> & { failingSince?: number | null },
  now: number,
): number {
  return waiting.waitReason === 'key' ? (waiting.failingSince ?? now) : now;
}

/** From five seconds to a minute, the longer it lasts. */
const pauseMs = (waitedMs: number): number => Math.min(60_000, 5000 + Math.max(0, Math.round(waitedMs / 4)));

async function fail(
  deps: PublishDeps,
  job: Job,
  holder: Pick<MoveFacts, 'owner' | 'item'>,
): Promise<boolean> {
  const patch = { error: keyGone, notBefore: null, waitReason: null };
  const { done } = await deps.jobs.move(job.id, 'fail', { ...holder, patch });
  return done;
}

function tell(deps: PublishDeps, { id }: Job, error: UnknownKeyError): void {
  const message = `The key ${error.kid} is not among TOKEN_KEYS here: the post waits for a worker that has it`;
  deps.report({ jobId: id, level: 'error', message, error });
}
