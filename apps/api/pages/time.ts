import { type Html, html } from './html.ts';

/** A time as a reader of any zone can take it; a script of ours turns it into theirs. `at` is epoch ms or ISO 8601. */
export function timeOf(at: number | string): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`;
}

const isoTime = /(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z)/;

/** A sentence whose ISO 8601 times are shown as times. */
export function withTimes(sentence: string): Html {
  return html`${sentence.split(isoTime).map((part) => (isoTime.test(part) ? timeOf(part) : part))}`;
}
