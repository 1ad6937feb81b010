import { open } from 'node:fs/promises';
import type { PreparedItem, UploadState } from '#libs/jobs/job.ts';
import { headBytes } from '#libs/media/detect-format.ts';
import { mayPassAsItIs } from '#libs/media/judge-head.ts';
import { appendSegments } from './append-segments.ts';
import type { PublishDeps } from './publisher.ts';
import type { ItemRun } from './run-item.ts';
import { initializeUpload } from './upload-item.ts';

/** Below this a download is over before an upload beside it would gain anything. */
const worthwhileBytes = 8 * 1024 * 1024;

/** An upload that runs beside the download of the same file. */
export interface EarlyUpload {
  /** Hears how many bytes are in the file, and how many the host says there will be. */
  arrived(bytes: number, totalBytes: number | null): void;
  /** The file is complete: the upload as far as it came when it is of exactly what goes to X, else null. */
  finish(prepared: PreparedItem): Promise<UploadState | null>;
  /** The download came to nothing. */
  abandon(): Promise<void>;
}

/**
 * Lets segments leave while the download still runs, where the source states its length and the first bytes are
 * those of a file that may need no change. If it needs one after all, or the download begins anew, what was sent is
 * left at X without finalize, where it does no harm.
 */
export function createEarlyUpload(deps: PublishDeps, run: ItemRun, file: string): EarlyUpload {
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  let here = 0;
  let waiting: { readonly end: number; readonly resolve: () => void }[] = [];
  let upload: Promise<{ state: UploadState; mediaType: string; bytes: number } | null> | null = null;

  async function send(totalBytes: number) {
    const media = await mayPassAsItIs(await readHead(file), totalBytes);
    if (!media) return null;
    const begun = await initializeUpload(deps, run, { ...media, bytes: totalBytes });
    const source = { file, bytes: totalBytes, arrived };
    const state = await appendSegments(deps, source, begun, { ...run, signal, checkpoint: () => {} });
    return { state, mediaType: media.mediaType, bytes: totalBytes };
  }

  function arrived(end: number): Promise<void> {
    if (here >= end) return Promise.resolve();
    return new Promise((resolve, reject) => {
      waiting.push({ end, resolve });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  return {
    arrived(bytes, totalBytes) {
      // A download that begins anew may bring other bytes than those that were sent.
      if (bytes < here) stop.abort(new Error('the download began anew'));
      here = bytes;
      for (const waiter of waiting) if (waiter.end <= here) waiter.resolve();
      waiting = waiting.filter((waiter) => waiter.end > here);
      if (upload || totalBytes === null || totalBytes < worthwhileBytes || bytes < headBytes) return;
      // Whatever it fails at, the upload after the download meets too, and deals with.
      upload = send(totalBytes).catch(() => null);
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
    },
  };
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  return buffer.subarray(0, bytesRead);
}
