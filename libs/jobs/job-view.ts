import { problemKinds } from '#libs/problem/problem.ts';
import { hasEnded, itemStages, type Job, type JobState, type MediaItem } from './job.ts';
import { describeJob } from './job-message.ts';
import type { Order } from './order.ts';

export type JobStatus =
  | 'scheduled'
  | 'queued'
  | 'processing'
  | 'waiting'
  | 'confirming'
  | 'published'
  | 'failed'
  | 'canceled'
  | 'unconfirmed';
export type JobStage = 'fetching' | 'preparing' | 'uploading' | 'x_processing' | 'posting';

/** The job object of the contract (`Job` in openapi.yaml). */
export type JobView = ReturnType<typeof renderJob>;

interface ViewContext {
  readonly publicUrl: string;
  /** Epoch ms. */
  readonly now: number;
  readonly replayed?: boolean;
  readonly duplicateOfRecent?: boolean;
}

const shownCharacters = 400;
/** Texts in an answer are cut to this many bytes of JSON: with all of them the whole object stays below 4 kB. */
const shownBytes = { text: 800, message: 600, detail: 500, note: 120 };

/** A record as its account may see it. */
export function renderJob(job: Job, order: Pick<Order, 'posts'>, context: ViewContext) {
  const situation = judge(job, context.now);
  const urlOf = (id: string | null) => (id === null ? null : `https://x.com/${job.username}/status/${id}`);
  const first = job.tweets[0];
  const remedy = remedyOf(job, context.publicUrl);
  const error = job.error && {
    code: job.error.code,
    title: problemKinds[job.error.code].title,
    detail: cut(job.error.detail, shownBytes.detail) + remedy,
    // Of a thread, what is live would be posted a second time.
    retryable: problemKinds[job.error.code].retryable && job.tweets.length === 0,
    action_required: problemKinds[job.error.code].action,
  };
  const text = cut(order.posts[0].text ?? '', shownBytes.text, shownCharacters);
  return {
    job_id: job.id,
    status: situation.status,
    stage: situation.stage,
    progress: progressOf(job),
    message: cut(describeJob(job, situation, context.now), shownBytes.message) + remedy,
    status_url: `${context.publicUrl}/jobs/${job.id}`,
    next_check_seconds: nextCheckSeconds(situation, job.publishAt, context.now),
    created_at: toIso(job.acceptedAt),
    updated_at: toIso(job.updatedAt),
    publish_at: job.publishAt === null ? null : toIso(job.publishAt),
    retry_at: situation.retryAt === null ? null : toIso(situation.retryAt),
    attempts: job.fence,
    tweet_id: first?.id ?? null,
    tweet_text: text || null,
    tweet_url: urlOf(first?.id ?? null),
    tweets: job.tweets.map((tweet, index) => ({ index, tweet_id: tweet.id, tweet_url: urlOf(tweet.id) })),
    media: job.media.map((item, index) => renderItem(item, index)),
    error,
    replayed: context.replayed ?? false,
    duplicate_of_recent: context.duplicateOfRecent ?? false,
  };
}

/** How a thread that failed half way goes on, and where an account that X no longer knows us for is connected again. */
function remedyOf(job: Job, publicUrl: string): string {
  const reconnect = job.error !== null && problemKinds[job.error.code].action === 'reconnect';
  return `${restOf(job)}${reconnect ? ` Connect the account again at ${publicUrl}/startAuth` : ''}`;
}

function restOf({ state, tweets }: Job): string {
  const last = tweets.at(-1);
  if (state !== 'failed' || !last) return '';
  const which = last.id === null ? ', which is on your profile on X' : ` (reply_to_tweet_id ${last.id})`;
  return ` To go on, post only the rest, as a reply to the last live post${which}.`;
}

function renderItem(item: MediaItem, index: number) {
  const { prepared, upload } = item;
  const sent = upload && prepared ? Math.min(upload.nextSegment * upload.segmentBytes, prepared.bytes) : 0;
  return {
    index,
    kind: prepared?.kind ?? null,
    status: item.stage,
    progress: item.stage === 'ready' ? 100 : item.progress,
    bytes: prepared?.bytes ?? (item.fetchedBytes || null),
    sent_bytes: item.stage === 'ready' && prepared ? prepared.bytes : sent,
    note: item.note === null ? null : cut(item.note, shownBytes.note),
  };
}

export interface Situation {
  readonly status: JobStatus;
  readonly stage: JobStage | null;
  /** Until when the job waits, epoch ms; null when it does not. */
  readonly retryAt: number | null;
  readonly waitReason: Job['waitReason'];
}

/** What of a record its status depends on. */
export type Judged = Pick<
  Job,
  'state' | 'publishAt' | 'notBefore' | 'waitReason' | 'owner' | 'fence' | 'media'
>;

/** The contract's `status` and `stage` of a record. */
export function judge(job: Judged, now: number): Situation {
  const none = { stage: null, retryAt: null, waitReason: null };
  switch (job.state) {
    case 'published':
    case 'failed':
    case 'canceled':
    case 'unconfirmed':
      return { ...none, status: job.state };
    case 'confirming':
      return { ...none, status: 'confirming', stage: 'posting' };
    case 'sending':
      return { ...none, status: 'processing', stage: 'posting' };
    default:
      return judgeOpen(job, now);
  }
}

function judgeOpen(job: Judged, now: number): Situation {
  if (job.publishAt !== null && job.publishAt > now)
    return { status: 'scheduled', stage: null, retryAt: null, waitReason: null };
  if (job.notBefore !== null && job.waitReason !== null)
    return { status: 'waiting', stage: null, retryAt: job.notBefore, waitReason: job.waitReason };
  const posting = { status: 'processing', stage: 'posting', retryAt: null, waitReason: null } as const;
  const isUntouched = job.owner === null && job.fence === 0 && job.media.length === 0;
  if (job.state === 'ready') return isUntouched ? { ...posting, status: 'queued' } : posting;
  if (job.media.every((item) => item.stage === 'ready') && !isUntouched) return posting;
  const open = job.media.filter((item) => item.stage !== 'ready');
  const waiting = open.filter((item) => item.notBefore !== null && item.waitReason !== null);
  const [soonest] = waiting.toSorted((a, b) => (a.notBefore ?? 0) - (b.notBefore ?? 0));
  if (soonest && waiting.length === open.length)
    return { status: 'waiting', stage: null, retryAt: soonest.notBefore, waitReason: soonest.waitReason };
  const stage = stageOf(job.media);
  return {
    status: stage === null && job.owner === null ? 'queued' : 'processing',
    stage,
    retryAt: null,
    waitReason: null,
  };
}

/** Where the last of the items is that have been begun; null: none has. */
function stageOf(media: readonly MediaItem[]): JobStage | null {
  const isUploading = media.some(({ stage }) => itemStages.indexOf(stage) >= itemStages.indexOf('uploading'));
  const reached = media.map((item) => {
    if (item.stage !== 'waiting') return item.stage;
    // Between two stages an item waits for the others, or for a place; the post is no less in work for that.
    if (item.prepared !== null) return isUploading ? 'uploading' : 'preparing';
    return item.fetched ? 'preparing' : null;
  });
  const stages = ['fetching', 'preparing', 'uploading', 'x_processing'] as const;
  return stages.find((stage) => reached.includes(stage)) ?? null;
}

/** Where each stage of an item begins and ends on the way from 0 to 95 percent of the whole job. */
const stretches = {
  waiting: [0, 0],
  fetching: [0, 25],
  preparing: [25, 40],
  uploading: [40, 80],
  x_processing: [80, 95],
  ready: [95, 95],
} as const satisfies Record<MediaItem['stage'], readonly [number, number]>;

function progressOf(job: Job): number {
  if (job.state === 'published') return 100;
  const isBeforeSending = ['accepted', 'failed', 'canceled'].includes(job.state) && job.fence === 0;
  if (!isBeforeSending && job.state !== 'accepted') return 95;
  const share = job.media.map((item) => {
    const [from, to] = item.stage === 'waiting' ? betweenStages(item) : stretches[item.stage];
    return from + ((to - from) * item.progress) / 100;
  });
  return Math.round(share.reduce((sum, value) => sum + value, 0) / Math.max(1, share.length));
}

function betweenStages({ prepared, fetched }: MediaItem): readonly [number, number] {
  if (prepared) return [40, 40];
  return fetched ? [25, 25] : stretches.waiting;
}

function nextCheckSeconds(
  { status, retryAt }: Situation,
  publishAt: number | null,
  now: number,
): number | null {
  const ended: readonly string[] = ['published', 'failed', 'canceled', 'unconfirmed'] satisfies JobState[];
  if (ended.includes(status)) return null;
  const until = (at: number | null) => Math.min(60, Math.max(5, Math.ceil(((at ?? now) - now) / 1000)));
  if (status === 'scheduled') return until(publishAt);
  if (status === 'waiting') return until(retryAt);
  return status === 'confirming' ? 10 : 3;
}

/** Whether a wait for the job is over, for long polls and event streams. */
export const isOver = (job: Job): boolean => hasEnded(job.state);

const toIso = (epochMs: number): string => new Date(epochMs).toISOString();

/** Its beginning and an ellipsis, where it is longer than this. */
function cut(text: string, mostBytes: number, mostCharacters = mostBytes): string {
  if (text.length <= Math.min(mostCharacters, mostBytes / mostBytesPerUnit)) return text;
  if (text.length <= mostCharacters && jsonBytes(text) <= mostBytes) return text;
  let bytes = 0;
  let characters = 0;
  let shown = '';
  for (const character of text) {
    bytes += jsonBytes(character);
    characters += 1;
    if (bytes > mostBytes || characters > mostCharacters)
      return `${[...shown].slice(0, mostCharacters - 1).join('')}…`;
    shown += character;
  }
  return text;
}

/** As `\u0000`, which is the longest that JSON makes of a UTF-16 code unit. */
const mostBytesPerUnit = 6;

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;
