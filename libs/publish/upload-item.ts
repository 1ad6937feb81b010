import type { MediaItem, PreparedItem, UploadState } from '#libs/jobs/job.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { segmentBytesFor } from '#libs/x-api/limits.ts';
import type { XApi, XMediaStatus } from '#libs/x-api/x-api.ts';
import { appendSegments } from './append-segments.ts';
import { mediaStep } from './media-step.ts';
import { createProgress } from './progress.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import type { ItemRun } from './run-item.ts';
import { createFileSource } from './segment-source.ts';
import { callX } from './x-call.ts';

/** X's processing may take this long in all. */
const processingMostMs = 10 * 60_000;
const minute = 60_000;

/** Brings prepared bytes to X: initialize, append, finalize, status. Answers when to come back while X processes. */
export async function uploadItem(deps: PublishDeps, run: ItemRun): Promise<RunResult> {
  const { prepared } = run.item;
  if (!prepared) throw new TypeError('nothing is prepared');
  const now = deps.now();
  let { upload } = run.item;
  // What X has failed or lost once is not taken from memory again.
  if (!upload && run.item.reuploads === 0 && (await useKnownMedia(deps, run, prepared))) return null;
  if (!upload || !lastsLongEnough(run.item, now)) upload = await beginUpload(deps, run, prepared);
  if (!upload.finalized) {
    const begun = upload;
    await mediaStep(deps, 'upload', () => sendSegments(deps, run, prepared, begun));
    const status = await callX(deps, { ...about(run), endpoint: 'finalize' }, (call) =>
      deps.x.finalizeUpload(begun.mediaId, call),
    );
    return await judgeStatus(deps, run, status);
  }
  if (run.item.stage !== 'x_processing') {
    // Finalized by a run that died before it could say so: all that may be missing is the alt text.
    await setAltText(deps, run, upload.mediaId);
    return null;
  }
  const status = await callX(deps, { ...about(run), endpoint: 'media_status' }, (call) =>
    deps.x.mediaStatus(upload.mediaId, call),
  );
  return await judgeStatus(deps, run, status);
}

/**
 * Whether X keeps an item for as long as it takes to post it. X says a day; where it gives less than we want even
 * to a new upload, asking once more would never end.
 */
export function lastsLongEnough({ upload, reuploads }: MediaItem, now: number): boolean {
  const mustLastMs = reuploads > 0 ? minute : 15 * minute;
  return upload !== null && (upload.expiresAt === null || upload.expiresAt >= now + mustLastMs);
}

const about = ({ jobId, accountId, signal }: Pick<ItemRun, 'jobId' | 'accountId' | 'signal'>) => ({
  jobId,
  accountId,
  signal,
});

async function beginUpload(deps: PublishDeps, run: ItemRun, prepared: PreparedItem): Promise<UploadState> {
  const upload = await initializeUpload(deps, run, prepared);
  const reuploads = run.item.reuploads + (run.item.upload ? 1 : 0);
  await run.save({ stage: 'uploading', progress: 0, upload, reuploads });
  return upload;
}

/** Begins an upload at X. */
export async function initializeUpload(
  deps: Pick<PublishDeps, 'gate' | 'vault' | 'calls'> & { readonly x: Pick<XApi, 'initializeUpload'> },
  run: Pick<ItemRun, 'jobId' | 'accountId' | 'signal'> & { readonly item: Pick<MediaItem, 'segmentBytes'> },
  media: Pick<PreparedItem, 'mediaType' | 'mediaCategory' | 'bytes'>,
): Promise<UploadState> {
  const { mediaType, mediaCategory, bytes } = media;
  const begun = await callX(deps, { ...about(run), endpoint: 'initialize' }, (call) =>
    deps.x.initializeUpload({ mediaType, mediaCategory, totalBytes: bytes }, call),
  );
  return {
    mediaId: begun.mediaId,
    mediaKey: begun.mediaKey,
    segmentBytes: run.item.segmentBytes ?? segmentBytesFor(bytes),
    nextSegment: 0,
    finalized: false,
    reused: false,
    expiresAt: begun.expiresAt,
    processingSince: null,
  };
}

/** Sends what is missing; the checkpoint lets a successor go on at the lowest segment that is not at X. */
async function sendSegments(
  deps: PublishDeps,
  run: ItemRun,
  prepared: PreparedItem,
  begun: UploadState,
): Promise<void> {
  let reached = begun;
  const progress = createProgress((percent) =>
    run.save({ stage: 'uploading', progress: percent, upload: reached }),
  );
  const checkpoint = (upload: UploadState, percent: number) => {
    reached = upload;
    progress.report(percent);
  };
  try {
    await using source = createFileSource(prepared.file, deps.blocks);
    await appendSegments(deps, begun, { ...about(run), source, bytes: prepared.bytes, checkpoint });
  } finally {
    await progress.done();
    // An upload that gets on may take a hundred failures: only those at one and the same place count together.
    const anew = reached.nextSegment > begun.nextSegment ? { failures: 0, failingSince: null } : {};
    await run.save({ stage: 'uploading', upload: reached, ...anew });
  }
}

async function judgeStatus(deps: PublishDeps, run: ItemRun, status: XMediaStatus): Promise<RunResult> {
  const now = deps.now();
  const known = run.item.upload;
  if (!known) throw new TypeError('no upload to judge');
  const upload: UploadState = {
    ...known,
    finalized: true,
    mediaKey: status.mediaKey ?? known.mediaKey,
    expiresAt: status.expiresAt ?? known.expiresAt,
    processingSince: known.processingSince ?? now,
  };
  const { processing } = status;
  if (processing?.error || processing?.state === 'failed') return await uploadAnewOnce(run, processing.error);
  if (processing && processing.state !== 'succeeded') {
    if (now - (upload.processingSince ?? now) > processingMostMs)
      throw new ProblemError(
        'media_processing_timeout',
        'X did not finish processing the media within ten minutes.',
      );
    await run.save(
      {
        stage: 'x_processing',
        progress: processing.progressPercent ?? 0,
        upload,
        failures: 0,
        failingSince: null,
      },
      { passed: true },
    );
    // X usually says when to ask again; bounded, so that neither a 0 nor an hour does harm.
    return now + Math.min(60_000, Math.max(1000, processing.checkAfterMs ?? 5000));
  }
  await run.save({ upload }, { passed: true, goesOn: true });
  await setAltText(deps, run, upload.mediaId);
  return null;
}

const identityOf = ({ accountId, altText }: ItemRun, { sha256, mediaCategory }: PreparedItem) => ({
  accountId,
  sha256,
  mediaCategory,
  altText,
});

/** Takes the same file from an earlier post of the account, where X still has it. */
async function useKnownMedia(deps: PublishDeps, run: ItemRun, prepared: PreparedItem): Promise<boolean> {
  const known = await deps.mediaMemory.find(identityOf(run, prepared));
  if (!known) return false;
  const upload = {
    ...known,
    segmentBytes: prepared.bytes,
    nextSegment: 1,
    finalized: true,
    reused: true,
    processingSince: null,
  };
  await run.save({ upload });
  return true;
}

async function setAltText(deps: PublishDeps, run: ItemRun, mediaId: string): Promise<void> {
  const { altText } = run;
  if (altText === null) return;
  await callX(deps, { ...about(run), endpoint: 'media_metadata' }, (call) =>
    deps.x.setAltText(mediaId, altText, call),
  );
  await deps.spend.book(run.accountId, deps.prices.altText).catch(() => {});
}

async function uploadAnewOnce(run: ItemRun, reason: string | null): Promise<RunResult> {
  if (run.item.reuploads > 0)
    throw new ProblemError(
      'media_processing_failed',
      `X could not process the media${reason ? `: ${reason}` : ''}.`,
    );
  await run.save(
    { stage: 'uploading', progress: 0, upload: null, reuploads: run.item.reuploads + 1 },
    { passed: true },
  );
  return 0;
}
