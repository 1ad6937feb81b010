import type { Job } from '#libs/jobs/job.ts';
import { isClosed, recordVersion } from '#libs/jobs/job.ts';
import { UnreadableRecordError } from '#libs/jobs/job-record.ts';
import { unknownOutcome } from './confirm.ts';
import { mustLookFirst } from './intent.ts';
import type { PublishDeps } from './publisher.ts';
import { uploadTime } from './upload-time.ts';

export type SweepDeps = Pick<PublishDeps, 'jobs' | 'wakeUps' | 'mediaStore' | 'report'>;

const batch = 200;
/** When a job is looked at next: one on which somebody works, and one that nobody can do anything about. */
const soonMs = 20_000;
const lateMs = 30 * 60_000;

/**
 * Looks at every open job whose next look is due and sees to it that somebody works on it: whatever the queues lost,
 * doubled or stalled converges here. Any worker may run it, also several at a time. All times are those of Redis.
 */
export async function sweep(deps: SweepDeps, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const { ids, now } = await deps.jobs.due(batch);
    for (const jobId of ids) {
      if (signal?.aborted) return;
      await look(deps, jobId, now);
    }
    if (ids.length < batch) return;
  }
}

async function look(deps: SweepDeps, jobId: string, now: number): Promise<void> {
  // Before it is read: one that cannot be read must not keep all others from being looked at.
  await deps.jobs.checkAgain(jobId, now + soonMs);
  let job: Job | null;
  try {
    job = await deps.jobs.find(jobId);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    return await setAside(deps, jobId, now, error);
  }
  if (!job || isClosed(job.state)) {
    await deps.jobs.forget(jobId);
    await deps.mediaStore.remove(jobId);
    return;
  }
  // Written by a later version of this program, whose workers look after it.
  if (job.version > recordVersion) return;
  const next = await see(deps, job, now);
  // What sleeps until then need not be looked at before, but for a loss of the queue.
  if (next > now + soonMs) await deps.jobs.checkAgain(jobId, Math.min(next + 5000, now + lateMs));
}

/** Left as it is: for workers of a later version, which know its words, or for a person to look at. */
async function setAside(deps: SweepDeps, jobId: string, now: number, error: unknown): Promise<void> {
  if ((await deps.jobs.versionOf(jobId)) > recordVersion) return;
  await deps.jobs.checkAgain(jobId, now + lateMs);
  // The other posts of its account do not wait for it.
  await deps.jobs.leaveLane(jobId);
  deps.report({ jobId, level: 'error', message: 'The record of this job cannot be read', error });
}

/** Resolves to when there is something to do for the job next. */
async function see(deps: SweepDeps, job: Job, now: number): Promise<number> {
  switch (job.state) {
    case 'sending':
      await deps.jobs.move(job.id, 'deadlinePassed', unknownOutcome());
      // The entry of the worker that died is still held for a while: this one is another.
      await deps.wakeUps.again(job.id, { round: `c${job.fence}` });
      return now;
    case 'confirming':
      await deps.wakeUps.again(job.id, { round: `c${job.fence}` });
      return now;
    case 'unconfirmed':
      // Before it is woken: the look itself says when the next one is due. Where it cannot be made, there is no hurry.
      await deps.jobs.checkAgain(job.id, now + lateMs);
      await deps.wakeUps.again(job.id, { round: `o${now}` });
      return now;
    case 'ready':
      return await wakeAt(deps, job, Math.max(job.notBefore ?? 0, job.publishAt ?? 0));
    default:
      return await seeAccepted(deps, job, now);
  }
}

async function seeAccepted(deps: SweepDeps, job: Job, now: number): Promise<number> {
  if (mustLookFirst(job, now)) {
    await deps.wakeUps.again(job.id, { round: 'look' });
    return now;
  }
  const allPrepared = job.media.every((item) => item.prepared !== null);
  const next: number[] = [];
  for (const [index, item] of job.media.entries()) {
    if (item.stage === 'ready') continue;
    // Prepared ones wait for the others, which wake them.
    if (item.prepared && !allPrepared) continue;
    const at = Math.max(item.notBefore ?? 0, allPrepared ? uploadTime(job) : 0);
    next.push(await wakeAt(deps, job, at, index));
  }
  if (job.media.every((item) => item.stage === 'ready'))
    next.push(await wakeAt(deps, job, Math.max(job.notBefore ?? 0, job.publishAt ?? 0)));
  return Math.min(...next);
}

async function wakeAt(deps: SweepDeps, job: Job, at: number, index?: number): Promise<number> {
  // Hundreds may wait behind one: woken now, each would find that it is not yet its turn. One that may come
  // too late is woken all the same, because somebody has to notice.
  const mayBeLate = job.publishAt !== null || job.expiresAt !== null;
  if (index === undefined && !mayBeLate && (await deps.jobs.awaitsTurn(job.id))) return at;
  await deps.wakeUps.again(job.id, {
    ...(index === undefined ? {} : { index }),
    at,
    openJobs: await deps.jobs.openJobs(job.accountId),
  });
  return at;
}
