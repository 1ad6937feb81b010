import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Job, JobError, MediaItem } from '#libs/jobs/job.ts';
import type { ItemStep } from '#libs/jobs/job-record.ts';
import { type MediaSource, mediaOf } from '#libs/jobs/order.ts';
import { hasExpired, missedExpiry } from './expiry.ts';
import { mustLookFirst } from './intent.ts';
import { checkMediaMix } from './media-mix.ts';
import { createMediaPlace, type MediaPlace, NoPlaceError } from './media-place.ts';
import { fetchedBytesHere, prepareItem } from './prepare-item.ts';
import type { PublishDeps, RunContext, RunResult } from './publisher.ts';
import { maxStarts } from './run-tweet.ts';
import { settleItem } from './settle-item.ts';
import { uploadItem } from './upload-item.ts';
import { uploadTime } from './upload-time.ts';

/** The work of one worker run on one media item. */
export interface ItemRun extends RunContext {
  readonly jobId: string;
  readonly index: number;
  /** This run, as the record names who holds the item. */
  readonly owner: string;
  readonly accountId: string;
  altText: string | null;
  /** Among the media of the account that may be in work. */
  readonly place: MediaPlace;
  /** The item as last saved. */
  item: MediaItem;
  /**
   * Saves what changed; throws ItemTakenOver when another run owns the item or the job no longer wants it. `passed`: the
   * stage is behind it, starts are counted anew; `goesOn`: this run goes on with the next stage, which is a start of it.
   */
  save(
    changes: Partial<MediaItem>,
    options?: { step?: ItemStep; passed?: boolean; goesOn?: boolean },
  ): Promise<{ prepared: boolean; ready: boolean }>;
}

/** Another run owns the item now, or its job has ended: nothing is left to do here. */
export class ItemTakenOverError extends Error {}

/** Carries one media item on until it is ready at X, waits, or the worker stops. */
export async function runItem(
  deps: PublishDeps,
  jobId: string,
  index: number,
  context: RunContext,
): Promise<RunResult> {
  const owner = randomUUID();
  const claimed = await deps.jobs.claimItem(jobId, index, owner);
  // The job has ended, maybe canceled while its media was waiting for its time.
  if (!claimed) return await cleanUp(deps, jobId);
  const first = claimed.job.media[index];
  if (!first || claimed.job.state !== 'accepted' || first.stage === 'ready') return null;
  const { job } = claimed;
  if (mustLookFirst(job, deps.now())) {
    await deps.wakeUps.again(jobId, { round: 'look' });
    return null;
  }
  // As the post itself: the clock of Redis decides, and is asked only where ours says so.
  if (hasExpired(job, deps.now()) && hasExpired(job, await deps.jobs.clock()))
    return await failWith(deps, job, { index, owner }, missedExpiry);
  if (claimed.starts > maxStarts) return await endPoisonItem(deps, job, { index, owner });
  const { accountId, sequence } = job;
  await using place = createMediaPlace(deps, { accountId, jobId, index, owner, sequence });
  let step: ItemStep = first.prepared ? 'prepared' : 'new';
  const run: ItemRun = {
    ...context,
    jobId,
    index,
    owner,
    accountId,
    altText: null,
    place,
    item: first,
    async save(changes, options = {}) {
      run.item = { ...run.item, ...changes };
      step = options.step ?? step;
      const result = await deps.jobs.saveItem(jobId, index, owner, run.item, { ...options, step });
      if (!result.saved) throw new ItemTakenOverError();
      return result;
    },
  };
  try {
    const source = mediaOf(deps.jobs.openOrder(job))[index];
    if (!source) return null;
    run.altText = source.altText;
    return await carryOn(deps, job, run, source.source);
  } catch (error) {
    if (error instanceof ItemTakenOverError) return await cleanUp(deps, jobId);
    if (error instanceof NoPlaceError) return await waitForPlace(deps, run, error);
    // Stopped on purpose: no failure of the item, and the start is taken back.
    if (context.signal.aborted) {
      await run.save({}, { passed: true }).catch(() => {});
      return deps.now();
    }
    return await settleItem(deps, job, run, error).catch((cause: unknown) => {
      if (cause instanceof ItemTakenOverError) return null;
      throw cause;
    });
  }
}

async function carryOn(deps: PublishDeps, job: Job, run: ItemRun, source: MediaSource): Promise<RunResult> {
  const now = deps.now();
  if (run.item.notBefore !== null && run.item.notBefore > now) return await sleep(run, run.item.notBefore);
  let allPrepared = job.media.every((item, index) => item.prepared !== null || index === run.index);
  const { prepared } = run.item;
  // The bytes may lie on another machine's disk, or be gone with it.
  if (!prepared || (run.item.upload?.finalized !== true && !existsSync(prepared.file))) {
    // The link of a conversation's file ends in minutes: it is fetched before the post's turn has come.
    const isUrgent = source.kind === 'file' && (await fetchedBytesHere(deps, run)) === null;
    const purpose = await run.place.take(isUrgent ? 'fetch' : 'work');
    await run.save(
      { stage: 'fetching', progress: 0, prepared: null, upload: null, notBefore: null, waitReason: null },
      { step: 'new' },
    );
    const early = purpose === 'work' && job.media.length === 1 && uploadTime(job) <= now;
    const done = await prepareItem(deps, run, { source, early });
    const saved = await run.save(
      { ...done, stage: 'waiting', progress: 0, failures: 0, failingSince: null },
      { step: 'prepared', passed: true, goesOn: true },
    );
    allPrepared = saved.prepared;
    // One bad item fails the post before anything is uploaded: the last to be prepared starts the others.
    if (allPrepared && job.media.length > 1) {
      const whole = await deps.jobs.find(job.id);
      if (whole) checkMediaMix(whole, deps.jobs.openOrder(whole));
      await wakeOthers(deps, job, run.index);
    }
  }
  if (!allPrepared) return null;
  if (uploadTime(job) > now) return await sleep(run, uploadTime(job));
  if (run.item.upload?.finalized !== true) await run.place.take('work');
  const wakeAt = await uploadItem(deps, run);
  if (wakeAt !== null) return wakeAt;
  const { ready } = await run.save(
    { stage: 'ready', progress: 100, failures: 0, notBefore: null, waitReason: null },
    { step: 'ready', passed: true },
  );
  if (ready) {
    await deps.jobs.move(job.id, 'prepared', { checkAfterMs: 10_000 });
    await deps.wakeUps.again(job.id, { openJobs: await deps.jobs.openJobs(job.accountId) });
  }
  return null;
}

/** Nothing failed: however often it is looked at before its time, that is no start. */
async function sleep(run: ItemRun, until: number): Promise<number> {
  await run.save({}, { passed: true });
  return until;
}

/** Outside, without a slot of the worker; whoever leaves wakes it. The time is for those who died before they could. */
async function waitForPlace(
  deps: PublishDeps,
  run: ItemRun,
  { askAfterMs }: NoPlaceError,
): Promise<RunResult> {
  try {
    await run.save({ stage: 'waiting', progress: 0 }, { passed: true });
    return deps.now() + askAfterMs;
  } catch (error) {
    if (error instanceof ItemTakenOverError) return await cleanUp(deps, run.jobId);
    throw error;
  }
}

async function wakeOthers(deps: PublishDeps, job: Job, but: number): Promise<void> {
  for (const index of job.media.keys()) if (index !== but) await deps.wakeUps.again(job.id, { index });
}

async function endPoisonItem(
  deps: PublishDeps,
  job: Job,
  { index, owner }: Pick<ItemRun, 'index' | 'owner'>,
): Promise<RunResult> {
  deps.report({
    jobId: job.id,
    level: 'error',
    message: `Media item ${index} given up after ${maxStarts} starts`,
  });
  const detail =
    'This server failed three times at the same media file. Its operator finds the reason in the log.';
  return await failWith(deps, job, { index, owner }, { code: 'internal_error', detail });
}

/** Ends the job from here. */
async function failWith(
  deps: PublishDeps,
  job: Job,
  { index, owner }: Pick<ItemRun, 'index' | 'owner'>,
  error: JobError,
): Promise<RunResult> {
  const patch = { error, notBefore: null, waitReason: null };
  await deps.jobs.move(job.id, 'fail', { owner, item: index, patch });
  return await cleanUp(deps, job.id);
}

/** Bytes of a job that has ended are removed by whoever notices. */
async function cleanUp(deps: PublishDeps, jobId: string): Promise<null> {
  if (!(await deps.jobs.isOpen(jobId))) await deps.mediaStore.remove(jobId);
  return null;
}
