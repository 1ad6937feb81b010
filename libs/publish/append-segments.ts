import type { UploadState } from '#libs/jobs/job.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import { takeInLots } from './gate-lots.ts';
import { createLaneCount } from './lane-count.ts';
import type { PublishDeps } from './publisher.ts';
import { createSegmentOrder } from './segment-order.ts';
import type { SegmentSource } from './segment-source.ts';
import { callX } from './x-call.ts';

/** Calls that are asked for at a time; a worker that dies takes what it did not use with it until X's next window. */
const mostAskedFor = 8;

export type AppendDeps = Pick<PublishDeps, 'gate' | 'vault' | 'counts' | 'calls'> & {
  readonly x: Pick<XApi, 'appendSegment'>;
};

interface Appending {
  readonly source: SegmentSource;
  /** Of the whole file. */
  readonly bytes: number;
  readonly jobId: string;
  readonly accountId: string;
  readonly signal: AbortSignal;
  /** Saves how far it is: every segment before `upload.nextSegment` is at X. */
  readonly checkpoint: (upload: UploadState, percent: number) => void;
}

/**
 * Sends the segments from `upload.nextSegment` on, several at a time and as many as the way to X bears. Resolves to
 * the upload with all of them at X; rejects with what the first failed one met.
 */
export async function appendSegments(
  deps: AppendDeps,
  upload: UploadState,
  { source, bytes: totalBytes, checkpoint, ...about }: Appending,
): Promise<UploadState> {
  const { mediaId, segmentBytes } = upload;
  const count = Math.ceil(totalBytes / segmentBytes);
  const order = createSegmentOrder(upload.nextSegment);
  const laneCount = createLaneCount(segmentBytes);
  const reached = (): UploadState => ({ ...upload, nextSegment: order.lowest() });
  const { accountId } = about;
  const most = Math.max(1, Math.min(mostAskedFor, count - upload.nextSegment));
  await using gate = takeInLots(deps.gate, { accountId, endpoint: 'append', most });
  const append = async (index: number) => {
    const start = index * segmentBytes;
    using segment = await source.read(start, Math.min(start + segmentBytes, totalBytes), about.signal);
    const { bytes } = segment;
    const startedAt = performance.now();
    await callX({ ...deps, gate }, { ...about, endpoint: 'append' }, (call) =>
      deps.x.appendSegment(mediaId, index, bytes, call),
    );
    laneCount.took(performance.now() - startedAt);
    deps.counts.add('media_bytes', ['uploaded'], bytes.length);
  };
  const lanes: Promise<void>[] = [];
  const failures: unknown[] = [];
  const addLanes = () => {
    // A lane may fail while another one is waited for: each failure is caught where it happens.
    while (lanes.length < laneCount.wanted())
      lanes.push(lane().catch((error: unknown) => void failures.push(error)));
  };
  const lane = async () => {
    for (let index = order.next(count); index !== null; index = order.next(count)) {
      about.signal.throwIfAborted();
      await order.send(index, append);
      checkpoint(reached(), Math.floor((100 * order.lowest()) / count));
      addLanes();
    }
  };
  addLanes();
  // Lanes are added while others run: the list grows under the loop.
  for (let index = 0; index < lanes.length; index++) await lanes[index];
  checkpoint(reached(), Math.floor((100 * order.lowest()) / count));
  if (failures.length > 0) throw failures[0];
  return reached();
}
