import type { Job, JobError } from '#libs/jobs/job.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { UnknownKeyError } from '#libs/sealing/sealing.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import { backAfter, hasExpired, missedExpiry, untilExpiry } from './expiry.ts';
import { waitForKey } from './missing-key.ts';
import { backOff } from './outcome-plan.ts';
import { failingSince, noCredits, unreachable } from './patience.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import { GateClosedError } from './x-call.ts';

/**
 * The one door from errors to moves of a job, for whatever went wrong around its send (never in it: see
 * record-outcome). A wait keeps the job; a fact about the account or the order ends it; anything else is a bug, and
 * the count of starts decides how often it may happen.
 */
export async function settle(deps: PublishDeps, job: Job, owner: string, error: unknown): Promise<RunResult> {
  const now = deps.now();
  if (error instanceof GateClosedError) {
    const since = failingSince(job, error.reason, now);
    const overdue = now - since > deps.policy.giveUpAfterMs;
    if (overdue && error.reason === 'credits') return await fail(noCredits);
    if (overdue && error.reason === 'x_down') return await fail(unreachable);
    return await waitUntil(error.until, { waitReason: error.reason, failingSince: since });
  }
  if (error instanceof UnknownKeyError)
    return (await isTooLate()) ? await fail(missedExpiry) : await waitForKey(deps, job, owner, error);
  if (error instanceof ProblemError) return await fail({ code: error.code, detail: error.detail });
  if (error instanceof XAnswerError || error instanceof XUnreachableError) {
    const since = failingSince(job, 'x_down', now);
    const failures = job.failures + 1;
    if (now - since > deps.policy.giveUpAfterMs) return await fail(unreachable);
    const patch = { waitReason: 'x_down', failures, failingSince: since };
    return await waitUntil(now + backOff(failures), patch);
  }
  deps.report({ jobId: job.id, level: 'error', message: 'A bug, or this server is in trouble', error });
  // Thrown on, the entry fails in the queue; the sweeper brings the job back, and its starts are counted.
  throw error;

  /** By the clock of Redis, and may be said to be: nothing of it is in doubt. */
  async function isTooLate(): Promise<boolean> {
    const isUnsent = job.state === 'accepted' || job.state === 'ready';
    return isUnsent && !job.reconcile && hasExpired(job, now) && hasExpired(job, await deps.jobs.clock());
  }

  async function fail(problem: JobError): Promise<RunResult> {
    await deps.jobs.move(job.id, 'fail', {
      owner,
      patch: { error: problem, notBefore: null, waitReason: null },
    });
    return null;
  }

  async function waitUntil(opensAt: number, patch: object): Promise<RunResult> {
    const until = untilExpiry(job, opensAt);
    await deps.jobs.move(job.id, 'note', {
      owner,
      patch: { notBefore: until, starts: 0, ...patch },
      checkAt: until + 5000,
    });
    return backAfter(job, opensAt, now);
  }
}
