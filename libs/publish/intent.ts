import type { Job } from '#libs/jobs/job.ts';
import { redisNow } from '#libs/jobs/job-record.ts';
import { noObservation } from './confirm-plan.ts';
import type { PlannedMove } from './outcome-plan.ts';

/** The request must begin within this time after the intent was written, or never. */
export const sendDeadlineMs = 5000;

interface Attempt {
  /** The worker run that is about to act. */
  readonly owner: string;
  readonly attemptId: string;
}

type Known = Pick<Job, 'cursor' | 'openAttempts' | 'firstIntentAt' | 'acceptedAt'>;

/** The intent to send the present post, counted as open before anything is sent. */
export function planIntent(job: Known, { owner, attemptId }: Attempt): PlannedMove {
  return {
    name: 'beginSend',
    facts: {
      owner,
      cursor: job.cursor,
      moveId: attemptId,
      bumpFence: true,
      checkAfterMs: sendDeadlineMs + 200,
      patch: {
        attemptId,
        intentAt: redisNow(),
        deadlineAt: redisNow(sendDeadlineMs),
        openAttempts: job.openAttempts + 1,
        observation: null,
        notBefore: null,
        waitReason: null,
        ...(job.firstIntentAt === null ? { firstIntentAt: redisNow() } : {}),
      },
    },
  };
}

/** After a loss of Redis' memory: the record is taken for one attempt of unknown outcome, begun when it was accepted. */
export function planLookFirst(job: Known, { owner, attemptId }: Attempt): PlannedMove {
  return {
    name: 'lookFirst',
    facts: {
      owner,
      cursor: job.cursor,
      checkAfterMs: 5000,
      patch: {
        attemptId,
        intentAt: redisNow(),
        firstIntentAt: job.acceptedAt,
        openAttempts: job.openAttempts,
        observation: noObservation,
        reconcile: null,
        starts: 0,
      },
    },
  };
}

/** Whether Redis may have forgotten attempts on the present post, and the uploads that were made for it. */
export function mayHaveForgotten(job: Pick<Job, 'reconcile' | 'firstIntentAt' | 'acceptedAt'>): boolean {
  return job.reconcile || job.firstIntentAt === job.acceptedAt;
}

/** Whether the post may be on X although its record says nothing of it; before its time it cannot be. */
export function mustLookFirst(job: Pick<Job, 'reconcile' | 'publishAt'>, now: number): boolean {
  return job.reconcile && (job.publishAt ?? 0) <= now;
}
