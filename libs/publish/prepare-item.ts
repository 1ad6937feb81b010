import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MediaItem, PreparedItem } from '#libs/jobs/job.ts';
import type { MediaSource } from '#libs/jobs/order.ts';
import { cleaning } from '#libs/media/clean-body.ts';
import { judgeHead } from '#libs/media/judge-head.ts';
import { mediaLimits } from '#libs/media/media-limits.ts';
import { prepareMedia } from '#libs/media/prepare-media.ts';
import type { Room } from '#libs/media/save-body.ts';
import { createEarlyUpload, type EarlyUpload, type EarlyUploadDeps } from './early-upload.ts';
import { mediaStep } from './media-step.ts';
import { createProgress } from './progress.ts';
import type { PublishDeps } from './publisher.ts';
import type { ItemRun } from './run-item.ts';

type PrepareDeps = EarlyUploadDeps &
  Pick<PublishDeps, 'counts' | 'tracing' | 'mediaStore' | 'fetcher' | 'uploads' | 'ffmpeg'>;

interface PrepareRequest {
  readonly source: MediaSource;
  /** Whether its upload may begin before all of it is here: nothing else of the post can still turn out bad. */
  readonly early: boolean;
}

/** Fetches the bytes of one item, checks them and makes them fit X's limits; all of it on disk, keyed by content. */
export async function prepareItem(
  deps: PrepareDeps,
  run: ItemRun,
  { source, early }: PrepareRequest,
): Promise<Pick<MediaItem, 'prepared' | 'fetched' | 'note' | 'fetchedBytes' | 'upload'>> {
  const folder = await deps.mediaStore.folder(run.jobId);
  const fetchedFile = fetchedFileOf(folder, run);
  const upload = early && source.kind !== 'upload' ? createEarlyUpload(deps, run, fetchedFile) : null;
  try {
    using room = await deps.mediaStore.admit(0);
    const target = { file: fetchedFile, room, upload };
    const fetched = await mediaStep(deps, 'fetch', () => fetchItem(deps, run, source, target));
    deps.counts.add('media_bytes', ['fetched'], fetched.bytes);
    const note = fetched.isCleaned ? 'Metadata was removed.' : null;
    const here = { fetchedBytes: fetched.bytes, fetched: true, note };
    // What an earlier run fetched is no step passed by this one: a file that ends its worker is not tried for ever.
    await run.save({ stage: 'preparing', progress: 0, ...here }, { passed: !fetched.isCopy, goesOn: true });
    await run.place.take('work');
    const progress = createProgress((percent) => run.save({ progress: percent }));
    const made = await mediaStep(deps, 'prepare', () =>
      prepareMedia(fetchedFile, {
        outputFolder: folder,
        signal: run.signal,
        sha256: fetched.sha256,
        isCleaned: fetched.isCleaned,
        ffmpeg: deps.ffmpeg,
        room,
        onProgress: (percent) => progress.report(percent),
      }),
    );
    await progress.done();
    // Its content is its name: two items of a job never get in each other's way, and a repetition finds it again.
    const file = join(folder, `${run.index}-${made.sha256}`);
    const { sha256, bytes, kind, mediaType, mediaCategory } = made;
    const prepared: PreparedItem = { file, sha256, bytes, kind, mediaType, mediaCategory };
    // What was sent is what came in, and what came in has this hash.
    const isAsItCame = made.path === fetchedFile && made.sha256 === fetched.sha256;
    const sent = isAsItCame ? await upload?.finish(prepared) : null;
    // Not earlier: the upload reads what was fetched, and a worker that goes on after this one looks for that.
    await rename(made.path, file);
    return { prepared, fetched: false, note: made.note, fetchedBytes: fetched.bytes, upload: sent ?? null };
  } finally {
    await upload?.abandon();
  }
}

/** How many bytes of an item lie here as an earlier run fetched them; null when they have to be fetched. */
export async function fetchedBytesHere(
  { mediaStore }: Pick<PublishDeps, 'mediaStore'>,
  run: Pick<ItemRun, 'jobId' | 'index' | 'item'>,
): Promise<number | null> {
  if (run.item.fetched !== true) return null;
  const file = fetchedFileOf(await mediaStore.folder(run.jobId), run);
  const copy = await stat(file).catch(() => null);
  return copy && copy.size === run.item.fetchedBytes ? copy.size : null;
}

const fetchedFileOf = (folder: string, { index }: Pick<ItemRun, 'index'>) => join(folder, `${index}.fetched`);

interface Target {
  readonly file: string;
  readonly room: Room;
  readonly upload: EarlyUpload | null;
}

async function fetchItem(
  deps: PrepareDeps,
  run: ItemRun,
  source: MediaSource,
  { file, room, upload }: Target,
): Promise<{ bytes: number; sha256?: string; isCleaned: boolean; isCopy?: boolean }> {
  const copiedBytes = await fetchedBytesHere(deps, run);
  if (copiedBytes !== null) return { bytes: copiedBytes, isCleaned: run.item.note !== null, isCopy: true };
  if (source.kind === 'upload')
    return { ...(await deps.uploads.copyTo(source.mediaId, run.accountId, file)), isCleaned: false };
  let isCleaned = false;
  const progress = createProgress((percent, bytes) => run.save({ progress: percent, fetchedBytes: bytes }));
  const fetched = await deps.fetcher.fetch(source.url, {
    file,
    maxBytes: mediaLimits.video.maxInputBytes,
    room,
    judge: judgeHead,
    alter: (sink) => {
      isCleaned = false;
      return cleaning(sink, () => {
        isCleaned = true;
      });
    },
    signal: run.signal,
    onProgress: (bytes, total) => progress.report(total ? Math.floor((100 * bytes) / total) : 0, bytes),
    arrivals: upload?.arrivals,
  });
  await progress.done();
  return { ...fetched, isCleaned };
}
