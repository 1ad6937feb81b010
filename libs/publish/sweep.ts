import type { Job } from '#libs/jobs/job.ts';
import { isClosed, recordVersion } from '#libs/jobs/job.ts';
import { UnreadableRecordError } from '#libs/jobs/job-record.ts';
import { unknownOutcome } from './confirm.ts';
import { mustLookFirst } from './intent.ts';
import type { PublishDeps } from './publisher.ts';

export type SweepDeps = Pick<PublishDeps, 'jobs' | 'wakeUps' | 'mediaStore' | 'report' | 'now'>;

const batch = 200;
const lookAgainMs = 20_000;

/**
 * Looks at every open job whose next look is due and sees to it that somebody works on it: whatever the queues lost,
 * doubled or stalled converges here. Any worker may run it, also several at a time.
 */
export async function sweep(deps: SweepDeps): Promise<number> {
  const ids = await deps.jobs.due(batch);
  for (const jobId of ids) {
    // Before it is read: one that cannot be read must not keep all others from being looked at.
    await deps.jobs.checkAgain(jobId, (deps.now ?? Date.now)() + lookAgainMs);
    const job = await deps.jobs.find(jobId).catch((error: unknown) => unreadable(deps, jobId, error));
    if (job === undefined) continue;
    if (!job || isClosed(job.state)) {
      await deps.jobs.forget(jobId);
      await deps.mediaStore.remove(jobId);
    } else await see(deps, job);
  }
  return ids.length;
}

/** Left as it is: for workers of a later version, which know its words, or for a person to look at. */
async function unreadable(deps: SweepDeps, jobId: string, error: unknown): Promise<undefined> {
  if (!(error instanceof UnreadableRecordError)) throw error;
  if ((await deps.jobs.versionOf(jobId)) > recordVersion) return;
  deps.report({ jobId, level: 'error', message: 'The record of this job cannot be read', error });
}

async function see(deps: SweepDeps, job: Job): Promise<void> {
  // Written by a later version of this program, whose workers look after it.
  if (job.version > recordVersion) return;
  const now = (deps.now ?? Date.now)();
  switch (job.state) {
    case 'sending':
      await deps.jobs.move(job.id, 'deadlinePassed', unknownOutcome());
      // The entry of the worker that died is still held for a while: this one is another.
      return await deps.wakeUps.again(job.id, { round: `c${job.fence}` });
    case 'confirming':
      return await deps.wakeUps.again(job.id, { round: `c${job.fence}` });
    case 'unconfirmed':
      return await deps.wakeUps.again(job.id, { round: `o${now}` });
    case 'ready':
      return await deps.wakeUps.again(job.id, {
        at: Math.max(job.notBefore ?? 0, job.publishAt ?? 0),
        openJobs: await deps.jobs.openJobs(job.accountId),
      });
    default:
      return await seeAccepted(deps, job);
  }
}

async function seeAccepted(deps: SweepDeps, job: Job): Promise<void> {
  if (mustLookFirst(job, (deps.now ?? Date.now)()))
    return await deps.wakeUps.again(job.id, { round: 'look' });
  const openJobs = await deps.jobs.openJobs(job.accountId);
  const allPrepared = job.media.every((item) => item.prepared !== null);
  let open = 0;
  for (const [index, item] of job.media.entries()) {
    if (item.stage === 'ready') continue;
    open++;
    // Prepared ones wait for the others, which wake them.
    if (item.prepared && !allPrepared) continue;
    await deps.wakeUps.again(job.id, { index, openJobs, at: item.notBefore ?? 0 });
  }
  if (open === 0)
    await deps.wakeUps.again(job.id, { at: Math.max(job.notBefore ?? 0, job.publishAt ?? 0), openJobs });
}
