import { itemStages, type Job, type MediaItem, type WaitReason } from './job.ts';
import type { Situation } from './job-view.ts';

const waits: Record<WaitReason, string> = {
  limit: 'X limits how much this account may do right now',
  credits: 'The X app has run out of credits',
  x_down: 'X is not answering',
  storage: 'This server has no room for the media at the moment',
  media_host: 'The server that holds the media is not answering',
  key: 'A part of this server lacks the key that the post or its account was sealed with',
};

const stages: Record<NonNullable<Situation['stage']>, string> = {
  fetching: 'Fetching the media',
  preparing: 'Preparing the media for X',
  uploading: 'Uploading the media to X',
  x_processing: 'X is processing the media',
  posting: 'Sending the post to X',
};

/** What is going on, in one plain sentence that an assistant can repeat to its user. */
export function describeJob(job: Job, situation: Situation, now: number): string {
  switch (situation.status) {
    case 'published':
      return job.createdWithoutId
        ? 'The post was published, but X did not tell its address: look at your profile on X.'
        : 'Tweet posted successfully!';
    case 'failed':
      return describeFailure(job);
    case 'canceled':
      // X's answer to an attempt that had been taken for lost came after that.
      if (job.tweets.length > 0) return `The post was canceled before all of it was sent. ${postedOf(job)}`;
      return job.openAttempts > 0
        ? 'The post was canceled before it was sent again. X gave no clear answer the first time, and did not show it.'
        : 'The post was canceled before it was sent. Nothing was posted.';
    case 'unconfirmed':
      return 'It is not known whether X has the post. Look at your profile on X before you post it again, then settle this job.';
    case 'confirming':
      if (job.createdWithoutId)
        return 'X has the post, but its address is not known yet: looking for it. It will not be posted twice.';
      return 'The post was sent, but X did not answer clearly. Checking on X whether it is there; it will not be posted twice.';
    case 'scheduled':
      return `The post is scheduled for ${dateAndTime(job.publishAt ?? now)}.`;
    case 'waiting':
      return describeWait(job, situation, now);
    case 'queued':
      return 'The post is accepted and will be sent in a moment.';
    case 'processing':
      return describeStage(job, situation);
  }
}

function describeWait({ expiresAt, tweets }: Job, { waitReason, retryAt }: Situation, now: number): string {
  const reason = waitReason ?? 'x_down';
  const until = retryAt ?? now;
  const unposted = tweets.length > 0 ? 'the rest of the thread' : 'it';
  // The wait ends then only because the post does.
  if (expiresAt !== null && until >= expiresAt)
    return `${waits[reason]}. The post expires ${timeFrom(now, expiresAt)}, before it can be tried again: ${unposted} will not be posted.`;
  const end =
    expiresAt === null
      ? ''
      : ` If that is not possible before it expires ${timeFrom(now, expiresAt)}, ${unposted} will not be posted.`;
  const when = retryTime(until, now);
  if (reason === 'credits')
    return `${waits.credits}. Its operator has to add some at X, or the post fails in the end; it will be tried again ${when}.${end}`;
  return `${waits[reason]}. The post will be tried again ${when}; nothing needs to be done.${end}`;
}

const minute = 60_000;

/** Waits end a little later than they have to: a time to the minute, never one that is too early. */
function retryTime(until: number, now: number): string {
  if (until - now < minute) return 'in a moment';
  return timeFrom(now, Math.ceil(until / minute) * minute);
}

/** A time as it is told to somebody for whom it is `now`. */
const timeFrom = (now: number, at: number): string =>
  dateOf(at) === dateOf(now) ? `at ${timeOf(at)}` : `on ${dateAndTime(at)}`;

const dates = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});
const dateOf = (epochMs: number): string => dates.format(epochMs);
/** With seconds where there are any. */
const timeOf = (epochMs: number): string =>
  `${new Date(epochMs).toISOString().slice(11, 19).replace(/:00$/, '')} UTC`;
const dateAndTime = (epochMs: number): string => `${dateOf(epochMs)}, ${timeOf(epochMs)}`;

function describeFailure(job: Job): string {
  const detail = job.error?.detail ?? 'The reason is not known.';
  return `The post failed. ${/[.!?]$/.test(detail) ? detail : `${detail}.`} ${postedOf(job)}`;
}

function postedOf({ tweets }: Job): string {
  const live = tweets.length;
  return live === 0
    ? 'Nothing was posted.'
    : `${live} of the thread's posts ${live === 1 ? 'is' : 'are'} live on X, the rest was not posted.`;
}

function describeStage(job: Job, { stage }: Situation): string {
  if (stage === null) return 'The post is in work.';
  if (stage === 'posting') return `${stages[stage]}.`;
  const percent = Math.round(
    job.media.reduce((sum, item) => sum + percentOf(item, stage), 0) / job.media.length,
  );
  const what = job.media.length === 1 && job.media[0]?.prepared?.kind === 'video' ? 'the video' : 'the media';
  return `${stages[stage].replace('the media', what)} (${percent}%).`;
}

/** How far an item is with a stage: an item that is beyond it counts as done, so that the sum never falls back. */
function percentOf(item: MediaItem, stage: MediaItem['stage']): number {
  if (item.stage === stage) return item.progress;
  const isPrepared = item.stage === 'waiting' && item.prepared !== null;
  const reached = itemStages.indexOf(isPrepared ? 'uploading' : item.stage);
  return reached > itemStages.indexOf(stage) ? 100 : 0;
}
