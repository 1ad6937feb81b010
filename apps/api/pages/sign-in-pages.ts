import { type Html, html } from './html.ts';
import type { Page } from './page.ts';

/** What each of X's scopes lets a client do, in a reader's words. */
const permissions: Record<string, string> = {
  'tweet.write': 'Publish, schedule and delete posts in your name',
  'media.write': 'Upload images and videos for these posts',
  'tweet.read': 'Read your posts, to check that they were published',
  'users.read': 'See your name and username',
  'offline.access': 'Go on without asking again, until you disconnect it',
};

export interface ConsentView {
  readonly clientName: string;
  /** The host that vouches for the client, where the client is known by a document on the web; else null. */
  readonly clientHost: string | null;
  readonly redirectUri: string;
  readonly scope: readonly string[];
  /** Username, when the user has signed in at X already and only the consent is missing. */
  readonly username: string | null;
  readonly csrfToken: string;
  /** Where the form's redirects may lead: X and the client. */
  readonly formTargets: readonly string[];
}

/** Asks the user, for each client, before X does: X knows only this server and would ask the same for all of them. */
export function consentPage(view: ConsentView): Page {
  const items = Object.entries(permissions).filter(([scope]) => view.scope.includes(scope));
  const name = shownName(view.clientName);
  return {
    title: `Allow ${name}?`,
    formTargets: view.formTargets,
    body: html`<h1>Allow ${name} to use your X account${view.username && html` @${view.username}`}?</h1>
<p>It will be able to:</p>
<ul>${items.map(([, text]) => html`<li>${text}</li>`)}</ul>
<dl>${view.clientHost && html`<dt>It says who it is at</dt><dd>${view.clientHost}</dd>`}<dt>You will be sent back to</dt><dd>${placeOf(view.redirectUri)}</dd></dl>
<p class="soft small">Do you know this address, and did you start this yourself a moment ago? If not, cancel.
${view.username ? '' : 'Next, X asks you to sign in and to confirm. Your password stays with X.'}</p>
<form method="post" action="">
<input type="hidden" name="csrf_token" value="${view.csrfToken}">
<div class="actions">
<button class="main" name="decision" value="approve">${view.username ? 'Allow' : 'Continue to X'}</button>
<button name="decision" value="deny">Cancel</button>
</div>
</form>`,
  };
}

export interface ConnectedView {
  readonly username: string;
  readonly name: string;
  readonly oneTimeCode: string;
  readonly minutes: number;
  /** X's scopes that the user did not grant. */
  readonly missing: readonly string[];
}

const copyScript = `
const button = document.querySelector('#copy'), field = document.querySelector('#code');
if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    try { await navigator.clipboard.writeText(field.value); button.textContent = 'Copied'; }
    catch { field.select(); }
  });
}
field.addEventListener('focus', () => field.select());
`;

/** The end of a sign-in that no OAuth client began. */
export function connectedPage(view: ConnectedView): Page {
  return {
    title: 'Connected',
    inlineScript: copyScript,
    body: html`<h1><span class="good" aria-hidden="true">✓</span> @${view.username} is connected</h1>
<p>The X account <strong>${view.name}</strong> (@${view.username}) can now be used through this server.
You can close this page, or <a href="/">write a post here</a>.</p>
${view.missing.length > 0 && missingNote(view.missing)}
<h2>Is an assistant waiting for a code?</h2>
<p>Give it this one. It works once, within ${view.minutes} minutes, and gives access to this account:
pass it on to nobody else.</p>
<label for="code" class="soft small">One-time code</label>
<input id="code" class="code" readonly autocomplete="off" spellcheck="false" value="${view.oneTimeCode}">
<div class="actions"><button id="copy" class="main" type="button" hidden>Copy the code</button></div>`,
  };
}

function missingNote(missing: readonly string[]): Html {
  return html`<p class="note bad">X did not grant everything: ${missing.join(', ')}. Some things will not work.
<a href="/startAuth">Connect again</a> to change that.</p>`;
}

export interface NoticeView {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** What to do now. */
  readonly advice?: string;
  /** A value that has to be shown exactly, as an address is. */
  readonly value?: string;
  readonly link?: { readonly href: string; readonly text: string } | undefined;
}

/** One thing went wrong: what it was, and the way on. */
export function noticePage({ status, title, text, advice, value, link }: NoticeView): Page {
  return {
    status,
    title,
    body: html`<h1>${title}</h1>
<p>${text}</p>
${value !== undefined && html`<pre class="code">${visible(value)}</pre>`}
${advice !== undefined && html`<p>${advice}</p>`}
${link && html`<div class="actions"><a class="button main" href="${link.href}">${link.text}</a></div>`}`,
  };
}

/** Clients choose their names themselves: none may hide or turn round what stands beside it. */
function shownName(name: string): string {
  const shown = [...visible(name).trim()];
  if (shown.length === 0) return 'a program without a name';
  return shown.length > mostOfName ? `${shown.slice(0, mostOfName).join('')}…` : shown.join('');
}

const mostOfName = 60;

/** Letters and symbols without a shape: fillers of Hangul, and Braille without dots. */
const blank = '\u115f\u1160\u2800\u3164\uffa0';
const unseen = new RegExp(`[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}${blank}]`, 'gu');

/** Without characters that are not seen but change how others are (Unicode: control, format, separators of lines). */
const visible = (text: string): string => text.replace(unseen, '');

/** Only over https does a host tell who is there; any other address is that of a program on this device. */
function placeOf(uri: string): string {
  const { protocol = '', host = '' } = URL.parse(uri) ?? {};
  if (protocol === 'https:') return host;
  const program = protocol === 'http:' ? host : `whichever opens ${protocol} addresses`;
  return `a program on this device (${program})`;
}
