import { type Html, html, renderPage } from './html.ts';
import type { Media } from './media-store.ts';
import type { State } from './state.ts';
import type { Tweet } from './tweet-book.ts';
import { findUrls } from './tweet-text.ts';

/** The page with the latest posts: what a visitor of X would see. */
export function renderTimeline(state: State): string {
  const tweets = state.tweets.visible().slice(0, 100);
  return renderPage(
    'Timeline · X simulator',
    html`<header class="bar"><h1>Timeline</h1><p class="badge">X simulator</p></header>
<main>
<p class="card quiet">This is not X. It stands in for it on this machine: what an app posts here is shown below and goes nowhere.</p>
${tweets.length === 0 ? html`<p class="card empty">No posts yet.</p>` : null}
${tweets.map((tweet) => renderTweet(state, tweet))}
</main>
<noscript><p class="quiet">Reload the page to see newer posts.</p></noscript>`,
    '/_simulator/live.js',
  );
}

function renderTweet(state: State, tweet: Tweet): Html {
  const author = state.users.get(tweet.authorId);
  const parent = tweet.replyTo === null ? null : state.tweets.find(tweet.replyTo);
  const quoted = tweet.quoteOf === null ? null : state.tweets.find(tweet.quoteOf);
  const createdAt = new Date(tweet.createdAt).toISOString();
  return html`<article class="card tweet" id="post-${tweet.id}">
<span class="avatar" aria-hidden="true">${[...(author?.name ?? '?')][0] ?? '?'}</span>
<div class="content">
<p class="who"><b>${author?.name ?? 'Unknown'}</b> <span class="quiet">@${author?.username ?? '?'} · <time datetime="${createdAt}">${createdAt.slice(0, 16).replace('T', ' ')}</time></span></p>
${parent ? html`<p class="quiet">Replying to <a href="#post-${parent.id}">@${state.users.get(parent.authorId)?.username ?? '?'}</a></p>` : null}
${tweet.text === '' ? null : html`<p class="text">${renderText(tweet.text)}</p>`}
${renderMedia(tweet.mediaIds.map((id) => state.media.get(id)).filter((media) => media !== null))}
${tweet.poll ? renderPoll(tweet.poll) : null}
${quoted ? html`<blockquote class="quiet">${quoted.text}</blockquote>` : null}
<p class="quiet small">${tweet.id} · by ${tweet.clientId}${tweet.extra.made_with_ai === true ? ' · made with AI' : null}${tweet.extra.paid_partnership === true ? ' · paid partnership' : null}</p>
</div>
</article>
`;
}

function renderText(text: string): Html[] {
  const parts: Html[] = [];
  let end = 0;
  for (const { url, indices } of findUrls(text)) {
    parts.push(html`${text.slice(end, indices[0])}<span class="link">${url}</span>`);
    end = indices[1];
  }
  return [...parts, html`${text.slice(end)}`];
}

function renderMedia(all: readonly Media[]): Html | null {
  if (all.length === 0) return null;
  const altTexts = all.map((media) => media.altText).filter((text) => text !== null);
  return html`<div class="media media-${all.length}">
${all.map((media) =>
  media.category.endsWith('video')
    ? html`<video controls preload="metadata" src="/media/${media.id}" aria-label="${media.altText ?? 'Video'}"></video>`
    : html`<img src="/media/${media.id}" alt="${media.altText ?? ''}">`,
)}
</div>
${altTexts.map((text) => html`<p class="quiet small"><span class="badge">ALT</span> ${text}</p>`)}`;
}

function renderPoll(poll: NonNullable<Tweet['poll']>): Html {
  const [days, hours, minutes] = [
    Math.floor(poll.durationMinutes / 1_440),
    Math.floor((poll.durationMinutes % 1_440) / 60),
    poll.durationMinutes % 60,
  ];
  const left = [days && `${days} d`, hours && `${hours} h`, minutes && `${minutes} min`]
    .filter(Boolean)
    .join(' ');
  return html`<ul class="poll">${poll.options.map((option) => html`<li>${option}</li>`)}</ul>
<p class="quiet small">Poll · runs for ${left}</p>`;
}
