import type { Job, WaitReason } from '#libs/jobs/job.ts';
import { type ProblemCode, ProblemError } from '#libs/problem/problem.ts';
import { UnknownKeyError } from '#libs/sealing/sealing.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import { backAfter, untilExpiry } from './expiry.ts';
import { itemWaitsForKey } from './missing-key.ts';
import { backOff } from './outcome-plan.ts';
import { failingSince, limitedTooLong, maxLimitedMs, noCredits, unreachable } from './patience.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import type { ItemRun } from './run-item.ts';
import { GateClosedError } from './x-call.ts';

const storageRetryMs = 5000;
const smallestSegmentBytes = 64 * 1024;

/** From errors around a media item to what happens to it and its job: nothing was sent yet, so failing is safe. */
export async function settleItem(
  deps: PublishDeps,
  job: Job,
  run: ItemRun,
  error: unknown,
): Promise<RunResult> {
  const now = deps.now();
  if (error instanceof GateClosedError)
    return await waitWhile(error.reason, now + error.waitMs, run.item.failures);
  if (error instanceof UnknownKeyError) return await itemWaitsForKey(deps, job, run, error);
  if (error instanceof ProblemError) return await settleProblem(error);
  if (error instanceof XAnswerError) return await settleAnswer(error);
  if (error instanceof XUnreachableError) return await tryAgain();
  deps.report({
    jobId: job.id,
    level: 'error',
    message: `A bug, or this server is in trouble (media item ${run.index})`,
    error,
  });
  throw error;

  async function settleProblem(problem: ProblemError): Promise<RunResult> {
    if (problem.code === 'storage_full')
      return await waitWhile('storage', now + storageRetryMs, run.item.failures);
    return await fail(problem.code, problem.detail);
  }

  async function settleAnswer(answer: XAnswerError): Promise<RunResult> {
    const { status } = answer;
    if (status === 429 || status === 402) {
      const passage = await deps.gate.peek(job.accountId, status === 402 ? 'finalize' : 'append');
      const waitMs = passage.open ? backOff(1) : passage.waitMs;
      return await waitWhile(status === 402 ? 'credits' : 'limit', now + waitMs, run.item.failures);
    }
    if (status === 408 || status >= 500) return await tryAgain();
    if (status === 413 || status === 431) return await smallerSegments(answer);
    if (status === 401)
      return await fail(
        'reconnect_needed',
        'X no longer accepts the sign-in of this account. Connect it again, then post again.',
      );
    if (
      status === 403 &&
      answer.messages.length === 0 &&
      (answer.detail === 'Forbidden' || answer.detail === '')
    )
      return await fail(
        'missing_scope',
        'This account was connected without the right to upload media. Connect it again.',
      );
    if (status === 404 || (status === 400 && run.item.upload && run.item.reuploads === 0))
      return await uploadAnew();
    if (status >= 300 && status < 400)
      return await fail(
        'x_misconfigured',
        'X answered with a redirect. The operator has to check X_API_URL.',
      );
    return await fail(
      'media_unsupported',
      `X refused the media: ${answer.messages[0] || answer.detail || answer.title || `status ${status}`}`,
    );
  }

  /** The upload is begun anew with segments of half the size. */
  async function smallerSegments(answer: XAnswerError): Promise<RunResult> {
    const { upload } = run.item;
    const half = Math.floor((upload?.segmentBytes ?? 0) / 2);
    if (half < smallestSegmentBytes)
      return await fail('media_too_large', `X refused the media as too large (status ${answer.status}).`);
    await run.save({ stage: 'uploading', progress: 0, upload: null, segmentBytes: half }, { passed: true });
    return now;
  }

  /** X does not know the upload, or refuses it: once more from the start. */
  async function uploadAnew(): Promise<RunResult> {
    if (run.item.reuploads > 0)
      return await fail('media_processing_failed', 'X lost the uploaded media twice.');
    await run.save(
      { stage: 'uploading', progress: 0, upload: null, reuploads: run.item.reuploads + 1 },
      { passed: true },
    );
    return now + 1000;
  }

  async function tryAgain(): Promise<RunResult> {
    const failures = run.item.failures + 1;
    return await waitWhile('x_down', now + backOff(failures), failures);
  }

  /** Waits as the post itself would, and no longer. */
  async function waitWhile(waitReason: WaitReason, opensAt: number, failures: number): Promise<RunResult> {
    const since = failingSince(run.item, waitReason, now);
    const waitedMs = now - since;
    if (waitReason === 'limit' && waitedMs > maxLimitedMs)
      return await fail(limitedTooLong.code, limitedTooLong.detail);
    if (waitReason === 'credits' && waitedMs > deps.policy.giveUpAfterMs)
      return await fail(noCredits.code, noCredits.detail);
    if (waitReason === 'x_down' && waitedMs > deps.policy.giveUpAfterMs)
      return await fail(unreachable.code, unreachable.detail);
    const failing = waitReason === 'storage' ? {} : { failingSince: since };
    const until = untilExpiry(job, opensAt);
    await run.save({ notBefore: until, waitReason, failures, ...failing }, { passed: true });
    return backAfter(job, opensAt, now);
  }

  async function fail(code: ProblemCode, detail: string): Promise<RunResult> {
    const several = job.media.length > 1 ? `Media item ${run.index + 1}: ${detail}` : detail;
    const failed = await deps.jobs.move(job.id, 'fail', {
      owner: run.owner,
      item: run.index,
      patch: { error: { code, detail: several }, notBefore: null, waitReason: null },
    });
    // Where it was refused, somebody else has the item by now and goes on with its files.
    if (failed.done) await deps.mediaStore.remove(job.id);
    return null;
  }
}
