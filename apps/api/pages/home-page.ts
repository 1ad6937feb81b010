import type { FieldError } from '#libs/problem/problem.ts';
import type { JobSummary } from '../job-list.ts';
import { type Html, html } from './html.ts';
import { badges, postUrl } from './job-page.ts';
import type { Page } from './page.ts';
import { loadScripts } from './script.ts';
import { type Doors, setupOf } from './setup.ts';
import { timeOf } from './time.ts';

/** What stands in the form for a new post. */
export interface Draft {
  readonly text: string;
  readonly mediaUrl: string;
  readonly altText: string;
  /** Makes the form post once, however often it is sent. */
  readonly requestId: string;
}

export interface HomeView {
  readonly publicUrl: string;
  readonly simulatorUrl: string | null;
  readonly doors: Doors;
  readonly account: {
    readonly username: string;
    readonly name: string;
    readonly connected: boolean;
    readonly csrfToken: string;
    readonly jobs: readonly JobSummary[];
  } | null;
  readonly draft: Draft;
  /** Why the draft was not accepted. */
  readonly refusal: {
    readonly status: number;
    readonly text: string;
    readonly errors: readonly FieldError[];
  } | null;
}

/** The start page: what this is, the connected account, a form for a post, recent posts, how to set up assistants. */
export function homePage(view: HomeView): Page {
  const { account, simulatorUrl } = view;
  return {
    title: account ? `@${account.username}` : 'Post to X',
    status: view.refusal?.status ?? 200,
    wide: true,
    banner: true,
    inlineScript: loadScripts('local-times.js', 'home.js'),
    body: html`${account ? signedIn(view, account) : stranger(view)}
${
  simulatorUrl !== null &&
  html`<p class="note">This is a sandbox: X is simulated, and nothing is really posted.
<a href="${simulatorUrl}/">See what the simulated X shows</a></p>`
}
${account && recentJobs(account.jobs, simulatorUrl)}
${setupOf(view.publicUrl, view.doors)}
${account && leaving(account)}
<p id="copied" class="soft small" role="status"></p>`,
  };
}

type Account = NonNullable<HomeView['account']>;

function stranger({ publicUrl, doors }: HomeView): Html {
  const callers = [...(doors.rest ? ['custom GPTs', 'scripts'] : []), ...(doors.mcp ? ['MCP clients'] : [])];
  return html`<h1>Post to X from your assistant</h1>
<p>This server lets assistants post to your X account${callers.length > 0 && `: ${callers.join(', ')}`}. What it has accepted is not
lost, and nothing is posted twice. Your password stays with X, and the assistant never sees a key to your account.</p>
<div class="actions"><a class="button main" href="${publicUrl}/startAuth?return_to=/">Connect your X account</a></div>`;
}

function signedIn(view: HomeView, account: Account): Html {
  const { publicUrl, simulatorUrl } = view;
  const reconnect = html`<p class="note bad">X no longer accepts the connection of this account.
<a href="${publicUrl}/startAuth?return_to=/">Connect it again</a></p>`;
  return html`<div class="who"><h1>Write a post</h1>
<form method="post" action="/sign-out" class="soft small">Signed in as <strong>@${account.username}</strong>
<input type="hidden" name="csrf_token" value="${account.csrfToken}"> <button class="plain">Sign out</button></form></div>
${!account.connected && reconnect}
${compose(view, account.csrfToken)}
${simulatorUrl === null && html`<p class="soft small">This is no rehearsal: it is posted on X as @${account.username}.</p>`}`;
}

/** Names of the request's fields, and the form's fields that stand for them. */
const fields = [
  ['text', 'text'],
  ['media_url', 'media_url'],
  ['media_ids', 'media'],
  ['media', 'media'],
  ['alt_texts', 'alt_text'],
] as const;

const fieldOf = ({ field }: FieldError) => fields.find(([name]) => field.startsWith(name))?.[1] ?? null;

function compose({ draft, refusal }: HomeView, csrfToken: string): Html {
  const faults = (id: string) => (refusal?.errors ?? []).filter((error) => fieldOf(error) === id);
  const attributes = (id: string) =>
    faults(id).length > 0 && html` aria-invalid="true" aria-describedby="${id}-fault"`;
  const fault = (id: string) =>
    faults(id).length > 0 &&
    html`<p class="fault" id="${id}-fault">${faults(id).map(({ message }) => html`${message} `)}</p>`;
  const elsewhere =
    refusal && (refusal.errors.length === 0 || refusal.errors.some((error) => fieldOf(error) === null));
  return html`${
    refusal &&
    html`<div class="note bad" role="alert" tabindex="-1" autofocus><strong>Not posted yet.</strong>
${elsewhere ? refusal.text : 'Look at what is marked below.'}</div>`
  }
<form id="compose" method="post" action="/" enctype="multipart/form-data">
<input type="hidden" name="csrf_token" value="${csrfToken}" autocomplete="off">
<input type="hidden" name="request_id" value="${draft.requestId}" autocomplete="off">
<div class="field"><label for="text">Text</label>
<textarea id="text" name="text" rows="4"${attributes('text')}>
${draft.text}</textarea>${fault('text')}</div>
<div class="field"><label for="media">Image, GIF or video</label>
<input id="media" name="media" type="file" accept="image/*,video/mp4,video/quicktime"${attributes('media')}>${fault('media')}</div>
<div class="field"><label for="media_url">Or its address on the web</label>
<input id="media_url" name="media_url" type="url" placeholder="https://" value="${draft.mediaUrl}"${attributes('media_url')}>${fault('media_url')}</div>
<div class="field"><label for="alt_text">Description of the image</label>
<input id="alt_text" name="alt_text" type="text" maxlength="1000" value="${draft.altText}"${attributes('alt_text')}>
<small>For people who do not see it. X calls it alt text.</small>${fault('alt_text')}</div>
<div class="actions"><button class="main">Post</button></div></form>`;
}

function recentJobs(jobs: readonly JobSummary[], simulatorUrl: string | null): Html {
  const rows = jobs.map((job) => {
    const { label, tone } = badges[job.status];
    const url = postUrl(job, simulatorUrl);
    return html`<li><div class="row"><a href="/jobs/${job.job_id}">${job.tweet_text ?? 'A post without text'}</a>
<span class="badge ${tone}">${label}</span></div>
<div class="soft small">${timeOf(job.created_at)}${url && html` · <a href="${url}">on X</a>`}</div></li>`;
  });
  return html`<section><h2>Recent posts</h2>
${rows.length > 0 ? html`<ul class="rows">${rows}</ul>` : html`<p class="soft">None yet.</p>`}</section>`;
}

function leaving(account: Account): Html {
  return html`<section><h2>@${account.username}</h2>
<details><summary>Disconnect this account</summary>
<p>Every assistant loses its access to @${account.username} at once, posts that are not sent yet are canceled, and the keys
that X gave this server are revoked and deleted. What is on X stays there.</p>
<form method="post" action="/disconnect"><input type="hidden" name="csrf_token" value="${account.csrfToken}">
<div class="actions"><button>Disconnect @${account.username}</button></div></form></details></section>`;
}
