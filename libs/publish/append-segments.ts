import { type FileHandle, open } from 'node:fs/promises';
import type { UploadState } from '#libs/jobs/job.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { createLaneCount } from './lane-count.ts';
import type { PublishDeps } from './publisher.ts';
import { createSegmentOrder } from './segment-order.ts';
import { callX } from './x-call.ts';

export interface SegmentSource {
  readonly file: string;
  readonly bytes: number;
  /** Resolves once the bytes before `end` are in the file; left out when all of them are. */
  readonly arrived?: ((end: number) => Promise<void>) | undefined;
}

interface Appending {
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
  deps: Pick<PublishDeps, 'x' | 'gate' | 'vault' | 'counts' | 'calls'>,
  source: SegmentSource,
  upload: UploadState,
  { checkpoint, ...about }: Appending,
): Promise<UploadState> {
  const { mediaId, segmentBytes } = upload;
  const count = Math.ceil(source.bytes / segmentBytes);
  const order = createSegmentOrder(upload.nextSegment);
  const laneCount = createLaneCount(segmentBytes);
  const reached = (): UploadState => ({ ...upload, nextSegment: order.lowest() });
  await using file = await open(source.file);
  const append = async (index: number) => {
    const start = index * segmentBytes;
    const length = Math.min(segmentBytes, source.bytes - start);
    await source.arrived?.(start + length);
    const bytes = await readSegment(file, start, length);
    const startedAt = performance.now();
    await callX(deps, { ...about, endpoint: 'append' }, (call) =>
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
