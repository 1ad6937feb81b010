import { randomUUID } from 'node:crypto';
import { costOfPost } from '#libs/jobs/cost.ts';
import { hasEnded, isClosed, type Job } from '#libs/jobs/job.ts';
import type { Order } from '#libs/jobs/order.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { confirm, leaveUnconfirmed, lookFirst, observe, unknownOutcome } from './confirm.ts';
import { hasExpired, missedExpiry } from './expiry.ts';
import { mustLookFirst } from './intent.ts';
import { mediaNeedsWork } from './media-at-x.ts';
import type { PublishDeps, RunContext, RunResult } from './publisher.ts';
import { sendTweet } from './send-tweet.ts';
import { settle } from './settle.ts';

/** The most often that a step may be begun without being passed: after that the job is poison. */
export const maxStarts = 3;
/** A slot missed by more than this is not made up for. */
const latestMs = 6 * 60 * 60_000;

/** Carries one job on until it has ended, waits, or the worker stops. Answers when its entry should wake again. */
export async function runTweet(deps: PublishDeps, jobId: string, run: RunContext): Promise<RunResult> {
  const owner = randomUUID();
  const job = await deps.jobs.claim(jobId, owner);
  const wakeAt = job && (await carryOn(deps, job, owner, run));
  // However it has ended, and whoever ended it: its files are of no more use.
  const mayHaveEnded = wakeAt === null && job !== null && job.media.length > 0;
  if (mayHaveEnded && !(await deps.jobs.isOpen(jobId))) await deps.mediaStore.remove(jobId);
  return wakeAt;
}

async function carryOn(deps: PublishDeps, claimed: Job, owner: string, run: RunContext): Promise<RunResult> {
  const jobId = claimed.id;
  let job: Job | null = claimed;
  let rejectedToken: string | undefined;
  while (job && !isClosed(job.state)) {
    if (run.signal.aborted) return await handBack(deps, job, owner);
    if (job.starts > maxStarts) return await endPoison(deps, job, owner);
    const now = deps.now();
    try {
      const order = deps.jobs.openOrder(job);
      switch (job.state) {
        case 'accepted':
        case 'ready': {
          if (job.state === 'accepted' && mustLookFirst(job, now)) {
            await lookFirst(deps, job, owner);
            break;
          }
          // Without media there is nothing to be prepared.
          if (job.state === 'accepted' && job.media.length > 0) {
            if (job.media.some((item) => item.stage !== 'ready')) return null;
            await deps.jobs.move(jobId, 'prepared', { checkAfterMs: 10_000 });
            break;
          }
          if (dueAt(job) > now) {
            const waitMs = await timeUntilDue(deps, job);
            if (waitMs > 0) return await sleep(deps, job, owner, waitMs);
          }
          // Before anything else is decided: what is on X must not be called failed either.
          if (job.reconcile) {
            await lookFirst(deps, job, owner);
            break;
          }
          // Our clock may be ahead: that of Redis decides, and is asked only then.
          const late = tooLate(job, now) && tooLate(job, await deps.jobs.clock());
          if (late) return await expire(deps, job, owner, late);
          if (await mediaNeedsWork(deps, job, order, owner, now)) return null;
          await checkBudget(deps, job, order);
          const sent = await sendTweet(deps, job, order, { ...run, owner, rejectedToken });
          rejectedToken = sent.rejectedToken;
          // Another post of the account goes first, and wakes this one when it is through; or this worker is kept from acting.
          if (sent.refused === 'turn' || sent.refused === 'may_not_act')
            return await sleep(deps, job, owner, 2000);
          // Redis' clock differs from ours: its word on what is due, and on what is too late, counts.
          if (sent.refused === 'due')
            return await sleep(deps, job, owner, Math.max(50, await timeUntilDue(deps, job)));
          if (sent.refused === 'expired') return await expire(deps, job, owner, missedExpiry.detail);
          if (sent.verdict === null) return now + 500;
          if (sent.ended) return null;
          break;
        }
        case 'sending': {
          const deadline = job.deadlineAt ?? now;
          if (deadline > now) return deadline + 100;
          const passed = await deps.jobs.move(jobId, 'deadlinePassed', unknownOutcome());
          // Redis' clock is behind ours: its word counts.
          if (!passed.done && passed.reason === 'deadline') return now + 500;
          break;
        }
        case 'confirming': {
          const at = await confirm(deps, job, order, owner);
          if (at === null || at > deps.now()) return at;
          break;
        }
        case 'unconfirmed':
          return await observe(deps, job, order, owner);
      }
    } catch (error) {
      if (run.signal.aborted) return await handBack(deps, job, owner);
      return await settle(deps, job, owner, error);
    }
    const before: Job = job;
    job = await deps.jobs.find(jobId);
    // Somebody else has taken it over: what we would write now is refused anyway.
    if (job && job.owner !== owner && !hasEnded(before.state)) return null;
  }
  return null;
}

/** The worker stops: the start that was counted is taken back, so that restarts never look like poison. */
async function handBack(deps: PublishDeps, job: Job, owner: string): Promise<RunResult> {
  await deps.jobs.move(job.id, 'note', {
    owner,
    patch: { starts: Math.max(0, job.starts - 1) },
    checkAfterMs: 1000,
  });
  return deps.now();
}

async function sleep(deps: PublishDeps, job: Job, owner: string, waitMs: number): Promise<RunResult> {
  await deps.jobs.move(job.id, 'note', { owner, patch: { starts: 0 }, checkAfterMs: waitMs + 5000 });
  return deps.now() + waitMs;
}

async function endPoison(deps: PublishDeps, job: Job, owner: string): Promise<RunResult> {
  deps.report({
    jobId: job.id,
    level: 'error',
    message: `Given up after ${maxStarts} starts in state ${job.state}`,
  });
  if (job.state === 'sending') {
    await deps.jobs.move(job.id, 'deadlinePassed', unknownOutcome());
    return deps.now() + 1000;
  }
  // Never called failed: it may be on X. It is still looked at now and then.
  if (job.state === 'confirming') {
    await leaveUnconfirmed(deps, job, owner);
    return null;
  }
  // It is only looked at, and the sweeper says when again.
  if (job.state === 'unconfirmed') return null;
  // Nor one that may be on X since Redis went back in time. Where it cannot even be looked for, it ends as above.
  if (mustLookFirst(job, await deps.jobs.clock())) {
    await lookFirst(deps, job, owner);
    return deps.now() + 1000;
  }
  const detail = 'This server failed three times at the same step. Its operator finds the reason in the log.';
  await deps.jobs.move(job.id, 'fail', { owner, patch: { error: { code: 'internal_error', detail } } });
  return null;
}

const dueAt = (job: Job): number => Math.max(job.notBefore ?? 0, job.publishAt ?? 0);

/** By Redis' clock, as all times of a record are: ours may be ahead or behind. */
async function timeUntilDue(deps: PublishDeps, job: Job): Promise<number> {
  return dueAt(job) - (await deps.jobs.clock());
}

/**
 * Many posts may have been accepted, or this one for another month, while there was room for each. What has begun is not
 * broken off.
 * @throws {ProblemError} budget_exceeded
 */
async function checkBudget({ spend, prices }: PublishDeps, job: Job, order: Order): Promise<void> {
  if (job.cursor > 0 || job.openAttempts > 0) return;
  const usd = order.posts.reduce((sum, post) => sum + costOfPost(post, prices), 0);
  const refusal = await spend.refusal(job.accountId, usd);
  if (refusal !== null) throw new ProblemError('budget_exceeded', refusal);
}

async function expire(deps: PublishDeps, job: Job, owner: string, detail: string): Promise<null> {
  await deps.jobs.move(job.id, 'fail', { owner, patch: { error: { code: 'expired', detail } } });
  return null;
}

function tooLate(job: Job, now: number): string | null {
  if (hasExpired(job, now)) return missedExpiry.detail;
  // A post that has come to an end before is sent again because its user wants it now.
  const first = job.cursor === 0 && job.endedAt === null;
  if (job.publishAt !== null && first && now - job.publishAt > latestMs)
    return 'Its time was missed by more than six hours.';
  return null;
}
