import { type Html, html } from './html.ts';
import type { Page } from './page.ts';

export interface Operator {
  readonly name: string | null;
  /** An email address or a URL. */
  readonly contact: string | null;
}

/** What is kept of whom, for how long, and how to end it: what a public GPT has to name. */
export function privacyPage({ name, contact }: Operator): Page {
  return {
    title: 'Privacy',
    wide: true,
    banner: true,
    cacheSeconds: 300,
    body: html`<h1>Privacy</h1>
<p>This server posts to X for people who connect their X account to it. It is run by
${name === null ? 'the person or company that gave you its address' : html`<strong>${name}</strong>`}.
${contact === null ? '' : html`Questions and requests go to ${contactLink(contact)}.`}</p>
<h2>What is stored</h2>
<ul>
<li><strong>Your X account:</strong> its id, name and username, what you allowed, and the keys that X issued for it, encrypted.
Your password never comes here.</li>
<li><strong>Your posts:</strong> text and settings, encrypted, together with what became of them, until 48 hours after their end.</li>
<li><strong>Your media:</strong> files are kept while a post is in work; files uploaded ahead, for one day.</li>
<li><strong>Access of assistants:</strong> fingerprints (hashes) of the tokens that they hold, never the tokens themselves. They end
90 days after their last use.</li>
<li><strong>This browser:</strong> cookies that keep you signed in here (30 days) and that remember which assistants you allowed
(90 days). They are needed for signing in; there are no others, and nothing of other companies is loaded.</li>
<li><strong>Logs:</strong> times, ids and outcomes of requests, so that faults can be found. No text, no media, no keys.</li>
</ul>
<h2>What it is used for</h2>
<p>To post what you or your assistant asked for, to tell what became of it, and to keep this server working. Nothing is sold,
shared for advertising, or used to train models.</p>
<h2>Who receives it</h2>
<p><a href="https://x.com/privacy">X</a> receives what you post. The assistant that you connected learns your name and username at
X and what became of your posts; what it does with that is its provider’s matter. Nobody else receives anything.</p>
<h2>How to end it</h2>
<ul>
<li>On the <a href="/">start page</a>, disconnect the account. Open posts are canceled, keys are revoked at X and deleted, and
every assistant’s access ends, at once.</li>
<li>Or ask your assistant to disconnect the account, or remove the app in X’s settings under connected apps.</li>
<li>Posts on X stay until you delete them there.</li>
</ul>
<h2>Your rights</h2>
<p>You may ask what is stored about you, have it corrected or deleted, and complain to the data protection authority of your
country. ${contact === null ? 'Ask whoever gave you the address of this server.' : html`Write to ${contactLink(contact)}.`}</p>`,
  };
}

function contactLink(contact: string): Html {
  const href = /^https?:/i.test(contact) ? contact : `mailto:${contact}`;
  return html`<a href="${href}">${contact}</a>`;
}
