import type { MediaItem, PreparedItem, UploadState } from '#libs/jobs/job.ts';
import { headBytes } from '#libs/media/detect-format.ts';
import { mayPassAsItIs } from '#libs/media/judge-head.ts';
import { expectVideo } from '#libs/media/prepare-media.ts';
import type { Arrivals } from '#libs/media/save-body.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import { type AppendDeps, appendSegments } from './append-segments.ts';
import type { PublishDeps } from './publisher.ts';
import type { ItemRun } from './run-item.ts';
import { createArrivingSource } from './segment-source.ts';
import { initializeUpload } from './upload-item.ts';

/** Below this a download is over before an upload beside it would gain anything. */
const worthwhileBytes = 8 * 1024 * 1024;
/** What will look at the whole file is readied this long before that is here: it takes a moment to start, and does not wait for ever. */
const readyAheadMs = 1000;

export type EarlyUploadDeps = AppendDeps &
  Pick<PublishDeps, 'blocks'> & { readonly x: Pick<XApi, 'initializeUpload'> };

/** An upload that runs beside the download of the same file, which it follows. */
export interface EarlyUpload {
  readonly arrivals: Arrivals;
  /** The file is complete: the upload as far as it came when it is of exactly what goes to X, else null. */
  finish(prepared: PreparedItem): Promise<UploadState | null>;
  /** The download came to nothing. */
  abandon(): Promise<void>;
}

interface Sent {
  readonly state: UploadState;
  readonly mediaType: string;
  readonly bytes: number;
}

/**
 * Lets segments leave while the download still runs, where the source states its length and the first bytes are
 * those of a file that may need no change. If it needs one after all, or the download begins anew, what was sent is
 * left at X without finalize, where it does no harm.
 */
export function createEarlyUpload(
  deps: EarlyUploadDeps,
  run: Pick<ItemRun, 'jobId' | 'accountId' | 'signal'> & { readonly item: Pick<MediaItem, 'segmentBytes'> },
  file: string,
): EarlyUpload {
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const source = createArrivingSource(file, deps.blocks);
  let total: number | null = null;
  let here = 0;
  let beganAt = 0;
  let isExpected = false;
  let upload: Promise<Sent | null> | null = null;

  async function send(head: Uint8Array, bytes: number): Promise<Sent | null> {
    const media = await mayPassAsItIs(head, bytes);
    if (!media) return null;
    const begun = await initializeUpload(deps, run, { ...media, bytes });
    const { jobId, accountId } = run;
    const appending = { jobId, accountId, signal, source, bytes, checkpoint: () => {} };
    return { state: await appendSegments(deps, begun, appending), mediaType: media.mediaType, bytes };
  }

  function expect(end: number, totalBytes: number): void {
    const leftMs = ((performance.now() - beganAt) * (totalBytes - end)) / end;
    if (isExpected || leftMs > readyAheadMs) return;
    isExpected = true;
    expectVideo();
  }

  return {
    arrivals: {
      began(totalBytes) {
        total = totalBytes;
        beganAt = performance.now();
        source.written(0);
        // A download that begins anew may bring other bytes than those that were sent.
        if (upload) stop.abort(new Error('the download began anew'));
      },
      came(block, position, length) {
        source.came(block, position, length);
        if (upload && total !== null) expect(position + length, total);
        if (upload || position > 0 || total === null || total < worthwhileBytes) return;
        // Whatever it fails at, the upload after the download meets too, and deals with.
        upload = send(Buffer.from(block.bytes.subarray(0, headBytes)), total).catch(() => null);
      },
      written(end) {
        here = end;
        source.written(end);
      },
    },
    async finish(prepared) {
      if (prepared.bytes !== here) stop.abort(new Error('the file was changed'));
      const sent = await upload;
      return sent &&
        sent.mediaType === prepared.mediaType &&
        sent.bytes === prepared.bytes &&
        !stop.signal.aborted
        ? sent.state
        : null;
    },
    async abandon() {
      stop.abort(new Error('the download failed'));
      await upload;
      await source[Symbol.asyncDispose]();
    },
  };
}
