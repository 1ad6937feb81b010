import type { JobView } from '#libs/jobs/job-view.ts';
import { type Html, html } from './html.ts';
import type { Page } from './page.ts';
import { loadScripts } from './script.ts';
import { withTime } from './time.ts';

export interface JobPageView {
  readonly job: JobView;
  readonly username: string;
  /** The entries of the timeline. */
  readonly timeline: Html;
  /** The calls to X that were made for it. */
  readonly calls: Html;
  readonly canCancel: boolean;
  /** Posts of the thread follow the one that is being sent. */
  readonly threadGoesOn: boolean;
  /** null: no forms, the reader is no signed-in browser. */
  readonly csrfToken: string | null;
  /** Where the posts of a sandbox really are; null outside a sandbox. */
  readonly simulatorUrl: string | null;
  /** Where the account is connected anew. */
  readonly connectUrl: string;
}

/** One post, live: how it is doing, each media item, what happened, and what the reader can do about it. */
export function jobPage(view: JobPageView): Page {
  const { job } = view;
  const inWork = job.next_check_seconds !== null;
  const { label, tone } = badges[job.status];
  return {
    title: `${label}: your post`,
    wide: true,
    banner: true,
    connects: true,
    inlineScript: loadScripts('local-times.js', 'job-live.js'),
    refreshSeconds: inWork ? Math.min(30, Math.max(5, job.next_check_seconds ?? 5)) : undefined,
    body: html`<div class="who"><h1>Your post</h1><p data-live="badge"><span class="badge ${tone}">${label}</span></p></div>
<p class="status" role="status" tabindex="-1" data-live="message">${withTime(withoutPercent(job.message), inWork ? (job.retry_at ?? job.publish_at) : null)}</p>
<div data-live="progress">${inWork && html`<div data-follow>${job.status !== 'scheduled' && progressBar('Progress of the post', job.progress)}</div>`}</div>
${job.tweet_text !== null && html`<blockquote class="quote" aria-label="Text of the post">${job.tweet_text}</blockquote>`}
<p class="soft small">For the X account @${view.username}${view.simulatorUrl !== null && ', on the simulated X of this sandbox'}</p>
<div data-live="actions" tabindex="-1">${actionsOf(view)}</div>
<div data-live="posts">${job.tweets.length > 1 && threadOf(view)}</div>
<div data-live="media">${job.media.length > 0 && mediaOf(job)}</div>
<section><h2>What happened</h2>
<ol class="timeline" data-live="timeline">${view.timeline}</ol>
<details><summary class="soft small">Calls to X</summary><div data-live="calls">${view.calls}</div></details></section>
${inWork && html`<noscript><p class="soft small">This page shows itself anew every few seconds. <a href="">Look now</a></p></noscript>`}`,
  };
}

/** Every status as a badge. */
export const badges: Readonly<Record<JobView['status'], { readonly label: string; readonly tone: string }>> =
  {
    scheduled: { label: 'Scheduled', tone: '' },
    queued: { label: 'Queued', tone: 'busy' },
    processing: { label: 'In work', tone: 'busy' },
    waiting: { label: 'Waiting', tone: 'busy' },
    confirming: { label: 'Checking', tone: 'busy' },
    published: { label: 'Published', tone: 'good' },
    failed: { label: 'Failed', tone: 'bad' },
    canceled: { label: 'Canceled', tone: '' },
    unconfirmed: { label: 'Not certain', tone: 'bad' },
  };

/** Where a post can be seen: in a sandbox on the simulator's timeline, since X itself has nothing of it. */
export function postUrl(
  tweet: { tweet_id: string | null; tweet_url: string | null },
  simulatorUrl: string | null,
) {
  if (simulatorUrl === null || tweet.tweet_id === null) return tweet.tweet_url;
  return `${simulatorUrl}/#post-${tweet.tweet_id}`;
}

function actionsOf(view: JobPageView): Html | null {
  const { job, csrfToken, canCancel, simulatorUrl } = view;
  switch (job.status) {
    case 'published': {
      const url = postUrl(job, simulatorUrl);
      return html`<div class="actions">${url && html`<a class="button main" href="${url}">Open the post</a>`}
<a class="button" href="/">Write another</a></div>`;
    }
    case 'failed':
      return failureOf(view);
    case 'unconfirmed':
      return csrfToken === null ? null : settleForm(view, csrfToken);
    case 'canceled':
      return html`<div class="actions"><a class="button main" href="/">Write another</a></div>`;
    default:
      if (!canCancel || csrfToken === null) return null;
      return html`<form method="post" action="/jobs/${job.job_id}">
<input type="hidden" name="csrf_token" value="${csrfToken}">
<div class="actions"><button name="action" value="cancel">Cancel this post</button></div></form>`;
  }
}

function failureOf({ job, connectUrl }: JobPageView): Html | null {
  if (!job.error) return null;
  const reconnect = job.error.action_required === 'reconnect';
  return html`<p class="note bad"><strong>${job.error.title}.</strong>
<a href="/problems/${job.error.code}">What happened, and what to do</a></p>
<div class="actions">${reconnect && html`<a class="button main" href="${connectUrl}">Connect the account again</a>`}
<a class="button" href="/">Write another</a></div>`;
}

function settleForm({ job, username, simulatorUrl, threadGoesOn }: JobPageView, csrfToken: string): Html {
  return html`<div class="note bad"><p><a href="${simulatorUrl ?? `https://x.com/${username}`}">Look at your profile on X</a>,
then say what you see. Until then nothing is sent again.</p>
<form method="post" action="/jobs/${job.job_id}">
<input type="hidden" name="csrf_token" value="${csrfToken}">
${threadGoesOn && html`<p><label for="tweet">If it is there: its address, so that the rest of the thread can follow</label><input id="tweet" name="tweet" inputmode="url" autocomplete="off"></p>`}
<div class="actions">
<button name="action" value="posted">It is there</button>
<button name="action" value="not_posted">It is not there, leave it</button>
<button name="action" value="resend">It is not there, send it again</button>
</div></form></div>`;
}

function threadOf({ job, simulatorUrl }: JobPageView): Html {
  return html`<section><h2>Posts of the thread</h2><ol>${job.tweets.map((tweet) => {
    const url = postUrl(tweet, simulatorUrl);
    return html`<li>${url ? html`<a href="${url}">Post ${tweet.index + 1}</a>` : `Post ${tweet.index + 1}, published`}</li>`;
  })}</ol></section>`;
}

const stages: Readonly<Record<JobView['media'][number]['status'], string>> = {
  waiting: 'Waiting',
  fetching: 'Being fetched',
  preparing: 'Being prepared',
  uploading: 'On its way to X',
  x_processing: 'X is processing it',
  ready: 'At X',
};

const kinds = { image: 'Image', gif: 'GIF', video: 'Video' } as const;

function mediaOf(job: JobView): Html {
  const inWork = job.next_check_seconds !== null;
  return html`<section><h2>Media</h2><ul class="rows">${job.media.map((item) => {
    const name = `${item.kind === null ? 'Media' : kinds[item.kind]} ${item.index + 1}`;
    const bytes = item.bytes === null ? '' : ` · ${formatBytes(item.bytes)}`;
    return html`<li><div class="row"><span>${name}<span class="soft">${bytes}</span></span>
<span class="soft">${inWork || item.status === 'ready' ? stages[item.status] : 'Not used'}</span></div>
${inWork && item.status !== 'ready' && progressBar(`Progress of ${name}`, item.progress)}
${item.note !== null && html`<p class="soft small">${item.note}</p>`}</li>`;
  })}</ul></section>`;
}

/** The bar shows it; a screen reader would say each percent aloud. */
const withoutPercent = (message: string) => message.replace(/ \(\d+%\)\.$/, '.');

function progressBar(label: string, percent: number): Html {
  return html`<div class="bar"><progress max="100" value="${percent}" aria-label="${label}"></progress>
<span class="soft small" aria-hidden="true">${percent}%</span></div>`;
}

/** Bytes as people read them, powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const [unit, size] = bytes < 1_000_000 ? ['kB', 1000] : ['MB', 1_000_000];
  return `${(bytes / Number(size)).toFixed(bytes / Number(size) < 10 ? 1 : 0)} ${unit}`;
}
