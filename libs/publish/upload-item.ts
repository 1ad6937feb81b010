import { type FileHandle, open } from 'node:fs/promises';
import type { PreparedItem, UploadState } from '#libs/jobs/job.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { segmentBytesFor } from '#libs/x-api/limits.ts';
import type { XMediaStatus } from '#libs/x-api/x-api.ts';
import { createProgress } from './progress.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import type { ItemRun } from './run-item.ts';
import { createSegmentOrder } from './segment-order.ts';
import { callX } from './x-call.ts';

const inFlight = 4;
/** X's processing may take this long in all. */
const processingMostMs = 10 * 60_000;
/** An upload that X forgets sooner is begun anew. */
const mustLastMs = 15 * 60_000;

/** Brings prepared bytes to X: initialize, append, finalize, status. Answers when to come back while X processes. */
export async function uploadItem(deps: PublishDeps, run: ItemRun): Promise<RunResult> {
  const { prepared } = run.item;
  if (!prepared) throw new TypeError('nothing is prepared');
  const now = (deps.now ?? Date.now)();
  let upload = run.item.upload;
  if (!upload || (upload.expiresAt !== null && upload.expiresAt < now + mustLastMs))
    upload = await initialize(deps, run, prepared);
  if (!upload.finalized) {
    const startedAt = performance.now();
    await appendSegments(deps, run, prepared, upload);
    deps.counts.time('media_seconds', ['upload'], performance.now() - startedAt);
    const status = await callX(deps, { ...about(run), endpoint: 'finalize' }, (call) =>
      deps.x.finalizeUpload(upload.mediaId, call),
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

const about = ({ jobId, accountId, signal }: ItemRun) => ({ jobId, accountId, signal });

async function initialize(deps: PublishDeps, run: ItemRun, prepared: PreparedItem): Promise<UploadState> {
  const media = {
    mediaType: prepared.mediaType,
    mediaCategory: prepared.mediaCategory,
    totalBytes: prepared.bytes,
  };
  const begun = await callX(deps, { ...about(run), endpoint: 'initialize' }, (call) =>
    deps.x.initializeUpload(media, call),
  );
  const upload: UploadState = {
    mediaId: begun.mediaId,
    mediaKey: begun.mediaKey,
    segmentBytes: run.item.segmentBytes ?? segmentBytesFor(prepared.bytes),
    nextSegment: 0,
    finalized: false,
    expiresAt: begun.expiresAt,
    processingSince: null,
  };
  await run.save({ stage: 'uploading', progress: 0, upload });
  return upload;
}

/** Several segments at a time; the checkpoint is the lowest one that is not at X yet, so that a successor resumes there. */
async function appendSegments(
  deps: PublishDeps,
  run: ItemRun,
  prepared: PreparedItem,
  upload: UploadState,
): Promise<void> {
  const { mediaId, segmentBytes } = upload;
  const count = Math.ceil(prepared.bytes / segmentBytes);
  const order = createSegmentOrder(upload.nextSegment);
  const progress = createProgress(() => checkpoint());
  const checkpoint = () => {
    const nextSegment = order.lowest();
    const percent = Math.floor((100 * nextSegment) / count);
    return run.save({ stage: 'uploading', progress: percent, upload: { ...upload, nextSegment } });
  };
  await using file = await open(prepared.file);
  const append = async (index: number) => {
    const start = index * segmentBytes;
    const bytes = await readSegment(file, start, Math.min(segmentBytes, prepared.bytes - start));
    await callX(deps, { ...about(run), endpoint: 'append' }, (call) =>
      deps.x.appendSegment(mediaId, index, bytes, call),
    );
    deps.counts.add('media_bytes', ['uploaded'], bytes.length);
  };
  const lane = async () => {
    for (let index = order.next(count); index !== null; index = order.next(count)) {
      run.signal.throwIfAborted();
      await order.send(index, append);
      progress.report(order.lowest());
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(inFlight, count) }, lane));
  await progress.done();
  await checkpoint();
  const failed = lanes.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function readSegment(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(bytes, read, length - read, position + read);
    if (bytesRead === 0)
      throw new ProblemError('storage_full', 'The media changed on this server while it was being uploaded.');
    read += bytesRead;
  }
  return bytes;
}

async function judgeStatus(deps: PublishDeps, run: ItemRun, status: XMediaStatus): Promise<RunResult> {
  const now = (deps.now ?? Date.now)();
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
      { stage: 'x_processing', progress: processing.progressPercent ?? 0, upload, failures: 0 },
      { passed: true },
    );
    // X usually says when to ask again; bounded, so that neither a 0 nor an hour does harm.
    return now + Math.min(60_000, Math.max(1000, processing.checkAfterMs ?? 5000));
  }
  await run.save({ upload }, { passed: true });
  await setAltText(deps, run, upload.mediaId);
  return null;
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
  return Date.now();
}
