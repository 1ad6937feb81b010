import { type Html, html } from './html.ts';

/** A time as a reader of any zone can take it; a script of ours turns it into theirs. `at` is epoch ms or ISO 8601. */
export function timeOf(at: number | string): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`;
}

/** As messages write a time, with its date or without. */
const written = /(?:\d{1,2} [A-Z][a-z]+ \d{4}, )?\d{2}:\d{2}(?::\d{2})? UTC/;

/** A sentence whose one time is shown as a time; `at` is the one that it tells. */
export function withTime(sentence: string, at: string | null): Html {
  const [before = '', ...after] = sentence.split(written);
  return at === null || after.length === 0
    ? html`${sentence}`
    : html`${before}${timeOf(at)}${after.join('')}`;
}
