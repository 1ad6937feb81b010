import type { ProblemCode } from '#libs/problem/problem.ts';

/**
 * Where a job stands. `accepted` covers the work on its media; `ready` means that only sending is left.
 * Waiting (a limit, credits, X being down, a due time) is not a state: it is `notBefore` on an open record.
 */
export const jobStates = [
  'accepted',
  'ready',
  'sending',
  'confirming',
  'unconfirmed',
  'published',
  'failed',
  'canceled',
] as const;
export type JobState = (typeof jobStates)[number];

/** No worker has anything left to do; `unconfirmed` also counts as an end for callers, but is still observed. */
export const closedStates = ['published', 'failed', 'canceled'] as const satisfies readonly JobState[];

export function isClosed(state: JobState): boolean {
  return closedStates.some((closed) => closed === state);
}

/** Whether callers see the job as ended. */
export function hasEnded(state: JobState): boolean {
  return isClosed(state) || state === 'unconfirmed';
}

/** Why an open job waits until `notBefore`. */
export type WaitReason = 'limit' | 'credits' | 'x_down' | 'storage' | 'media_host' | 'key';

export const itemStages = ['waiting', 'fetching', 'preparing', 'uploading', 'x_processing', 'ready'] as const;
/** Where a media item stands; `prepared` items wait in `waiting` for the others or for the due time. */
export type ItemStage = (typeof itemStages)[number];

/** The record of one media item: a field of the job's hash, written by the worker that owns the item. */
export interface MediaItem {
  readonly stage: ItemStage;
  /** Percent of the present stage, 0-100. */
  readonly progress: number;
  /** Bytes fetched and checked lie on disk as `file`, in the job's folder of the worker's media store. */
  readonly prepared: PreparedItem | null;
  /** Fetched whole, and not prepared yet: a link that has ended meanwhile is not needed again. */
  readonly fetched?: boolean;
  readonly upload: UploadState | null;
  /** Size of the segments of the next upload, where X refused the usual one. */
  readonly segmentBytes: number | null;
  /** Uploads begun anew because X failed or lost the item. */
  readonly reuploads: number;
  readonly fetchedBytes: number;
  readonly note: string | null;
  readonly notBefore: number | null;
  readonly waitReason: WaitReason | null;
  /** Transient failures in a row, for the back-off. */
  readonly failures: number;
  /** Since when it waits for credits or for X to come back, epoch ms. */
  readonly failingSince?: number | null;
}

export interface PreparedItem {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly kind: 'image' | 'gif' | 'video';
  readonly mediaType: string;
  readonly mediaCategory: 'tweet_image' | 'tweet_gif' | 'tweet_video';
}

export interface UploadState {
  readonly mediaId: string;
  readonly mediaKey: string | null;
  readonly segmentBytes: number;
  /** Every segment below this index is at X. */
  readonly nextSegment: number;
  readonly finalized: boolean;
  /** Epoch ms after which X forgets the media; null when X did not say. */
  readonly expiresAt: number | null;
  /** It was uploaded for an earlier post: its key does not tell the two apart. */
  readonly reused: boolean;
  /** Epoch ms since which X processes it. */
  readonly processingSince: number | null;
}

export const newItem: MediaItem = {
  stage: 'waiting',
  progress: 0,
  prepared: null,
  upload: null,
  segmentBytes: null,
  reuploads: 0,
  fetchedBytes: 0,
  note: null,
  notBefore: null,
  waitReason: null,
  failures: 0,
};

/** One post that stands on X because of this job. `id` is null where X created it without ever telling its id. */
export interface PublishedTweet {
  readonly id: string | null;
  readonly publishedAt: number;
}

export interface JobError {
  readonly code: ProblemCode;
  readonly detail: string;
}

/** What the reads after an unknown outcome have shown so far. */
export interface Observation {
  /** Successful reads that did not show the post: epoch ms of the first and the last of them. */
  readonly firstAbsentAt: number | null;
  readonly lastAbsentAt: number | null;
  readonly absentReads: number;
  /** Reads that X refused or did not answer, in a row. */
  readonly refusedReads: number;
  /** When the first and the last of them began. A record of an earlier version does not tell the first. */
  readonly refusedSince?: number | null;
  readonly refusedAt: number | null;
  /** X refused the post as a duplicate: one good look tells whether the other one is ours. */
  readonly duplicate: boolean;
  /** The post that was seen with the same content, and that is another job's. */
  readonly othersPost?: string;
}

/** The record: the truth about a job, kept in the hash `job:<id>`. Times are epoch ms by Redis' clock. */
export interface Job {
  /** See `recordVersion`. */
  readonly version: number;
  readonly id: string;
  readonly accountId: string;
  readonly username: string;
  readonly clientId: string;
  readonly state: JobState;
  /** Token of the worker run that may act on the post (media items have their own). */
  readonly owner: string | null;
  readonly starts: number;
  /** The post of the order that is next to be sent, or is being sent. */
  readonly cursor: number;
  /** Grows with every attempt to send; never goes back. */
  readonly fence: number;
  readonly attemptId: string | null;
  readonly intentAt: number | null;
  readonly deadlineAt: number | null;
  /** When the first attempt on the present post was written down. */
  readonly firstIntentAt: number | null;
  /** Attempts on the present post that may have created it: counted before sending, taken back by proof of the contrary. */
  readonly openAttempts: number;
  readonly observation: Observation | null;
  /** Failures in a row that proved nothing was sent, and the first of them, for back-off and giving up. */
  readonly failures: number;
  readonly failingSince: number | null;
  readonly renewedToken: boolean;
  /** X said that it created the present post, and not which id it has: it is never sent again. */
  readonly createdWithoutId: boolean;
  /** Redis went back in time after this was written: X is asked first whether it has the post. */
  readonly reconcile: boolean;
  readonly notBefore: number | null;
  readonly waitReason: WaitReason | null;
  readonly acceptedAt: number;
  /** Grows with every accepted job (microseconds): their order, and the cursor of a list. */
  readonly sequence: number;
  readonly updatedAt: number;
  readonly publishAt: number | null;
  readonly expiresAt: number | null;
  readonly endedAt: number | null;
  /** Sealed JSON of the `Order`. */
  readonly sealedOrder: string;
  readonly fingerprint: string;
  readonly tweets: readonly PublishedTweet[];
  readonly media: readonly MediaItem[];
  readonly error: JobError | null;
}

/** Bumped when a field changes its meaning; a worker leaves records of a later version alone. */
export const recordVersion = 1;
