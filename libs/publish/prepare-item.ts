import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { MediaItem, PreparedItem } from '#libs/jobs/job.ts';
import type { MediaSource } from '#libs/jobs/order.ts';
import { prepareMedia } from '#libs/media/prepare-media.ts';
import { xLimits } from '#libs/x-api/limits.ts';
import { createProgress } from './progress.ts';
import type { PublishDeps } from './publisher.ts';
import type { ItemRun } from './run-item.ts';

/** Fetches the bytes of one item, checks them and makes them fit X's limits; all of it on disk, keyed by content. */
export async function prepareItem(
  deps: PublishDeps,
  run: ItemRun,
  source: MediaSource,
): Promise<Pick<MediaItem, 'prepared' | 'note' | 'fetchedBytes'>> {
  const folder = await deps.mediaStore.folder(run.jobId);
  const timed = stopwatch(deps);
  const fetched = await fetchItem(deps, run, source, join(folder, `${run.index}.fetched`));
  timed('fetch');
  deps.counts.add('media_bytes', ['fetched'], fetched.bytes);
  await run.save({ stage: 'preparing', progress: 0, fetchedBytes: fetched.bytes }, { passed: true });
  const progress = createProgress((percent) => run.save({ progress: percent }));
  const made = await prepareMedia(fetched.file, {
    outputFolder: folder,
    signal: run.signal,
    onProgress: (percent) => progress.report(percent),
  });
  timed('prepare');
  await progress.done();
  // Its content is its name: two items of a job never get in each other's way, and a repetition finds it again.
  const file = join(folder, `${run.index}-${made.sha256}`);
  await rename(made.path, file);
  const prepared: PreparedItem = {
    file,
    sha256: made.sha256,
    bytes: made.bytes,
    kind: made.kind,
    mediaType: made.mediaType,
    mediaCategory: made.mediaCategory,
  };
  return { prepared, note: made.note, fetchedBytes: fetched.bytes };
}

/** Each call counts the time since the one before as a step. */
function stopwatch({ counts }: Pick<PublishDeps, 'counts'>) {
  let since = performance.now();
  return (step: string): void => {
    const now = performance.now();
    counts.time('media_seconds', [step], now - since);
    since = now;
  };
}

async function fetchItem(
  deps: PublishDeps,
  run: ItemRun,
  source: MediaSource,
  file: string,
): Promise<{ file: string; bytes: number }> {
  if (source.kind === 'upload') return await deps.uploads.copyTo(source.mediaId, run.accountId, file);
  const progress = createProgress((percent, bytes) => run.save({ progress: percent, fetchedBytes: bytes }));
  const room = await deps.mediaStore.admit(0);
  using _held = room;
  const { bytes } = await deps.fetcher.fetch(source.url, {
    file,
    maxBytes: xLimits.video.maxBytes,
    room,
    signal: run.signal,
    onProgress: (done, total) => progress.report(total ? Math.floor((100 * done) / total) : 0, done),
  });
  await progress.done();
  return { file, bytes };
}
