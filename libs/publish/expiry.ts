import type { Job, JobError } from '#libs/jobs/job.ts';

type Expiring = Pick<Job, 'expiresAt'>;

/** Whether it is too late to send the post. `now`: epoch ms by Redis' clock. */
export const hasExpired = ({ expiresAt }: Expiring, now: number): boolean =>
  expiresAt !== null && expiresAt <= now;

/** When a wait that would last until then ends: not later than the post expires, because somebody has to say so. */
export const untilExpiry = ({ expiresAt }: Expiring, until: number): number =>
  Math.min(until, expiresAt ?? until);

/**
 * When to come back after such a wait. Where the post has expired and still waits, Redis' clock is behind ours: coming
 * back at once would be again and again.
 */
export const backAfter = (job: Expiring, until: number, now: number): number =>
  Math.min(until, Math.max(untilExpiry(job, until), now + 1000));

/** What becomes of a post that was not sent in time. */
export const missedExpiry: JobError = {
  code: 'expired',
  detail: 'It could not be sent before its expires_at.',
};
