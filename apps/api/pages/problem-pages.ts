import { readFileSync } from 'node:fs';
import { type ProblemCode, ProblemError, problemKinds } from '#libs/problem/problem.ts';
import { html } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import type { Page } from './page.ts';

interface Catalogue {
  readonly introduction: string;
  readonly groups: readonly { readonly title: string; readonly codes: readonly ProblemCode[] }[];
  readonly texts: ReadonlyMap<ProblemCode, string>;
}

const actions = {
  none: 'Nothing beyond what stands below.',
  reconnect: 'Sign in again.',
  edit_text: 'Change the post.',
  change_media: 'Change the media.',
  add_credits: 'The operator of the server adds credits at X.',
  check_x: 'Look at X.',
  operator: 'Tell whoever runs the server.',
} as const;

let known: Catalogue | undefined;

/** `docs/problems.md`, which a test holds against the codes; read when it is first asked for. */
function catalogue(): Catalogue {
  known ??= parseCatalogue(readFileSync(new URL('../../../docs/problems.md', import.meta.url), 'utf8'));
  return known;
}

function parseCatalogue(page: string): Catalogue {
  const [head = '', ...groups] = page.split(/^## /m);
  const texts = new Map<ProblemCode, string>();
  const read = groups.map((group) => {
    const [title = '', ...sections] = group.split(/^### /m);
    const codes = sections.flatMap((section) => {
      const [code = '', ...lines] = section.split('\n');
      if (!isProblemCode(code)) return [];
      // The line below the code says in short what the page says in words.
      texts.set(code, lines.slice(1).join('\n'));
      return [code];
    });
    return { title: title.trim(), codes };
  });
  return { introduction: head.replace(/^# .*\n/, ''), groups: read, texts };
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problemKinds, code);
}

/** `GET /problems`: every code. */
export function problemsPage(publicUrl: string): Page {
  const { introduction, groups } = catalogue();
  return {
    title: 'Problems',
    wide: true,
    banner: true,
    cacheSeconds: 300,
    body: html`<h1>Problems</h1>
${renderMarkdown(introduction.replaceAll('PUBLIC_URL', publicUrl))}
${groups.map(
  ({ title, codes }) =>
    html`<section><h2>${title}</h2><ul class="rows">${codes.map(
      (code) =>
        html`<li class="row loose"><a href="/problems/${code}">${problemKinds[code].title}</a> <code class="soft">${code}</code></li>`,
    )}</ul></section>`,
)}`,
  };
}

/** `GET /problems/{code}`: what happened, why, and what to do. @throws {ProblemError} not_found */
export function problemPage(code: string): Page {
  const text = isProblemCode(code) ? catalogue().texts.get(code) : undefined;
  if (!isProblemCode(code) || text === undefined)
    throw new ProblemError('not_found', 'There is no problem with this code. See /problems.');
  const { title, status, action, retryable } = problemKinds[code];
  return {
    title,
    wide: true,
    banner: true,
    cacheSeconds: 300,
    body: html`<h1>${title}</h1>
<p class="soft"><code>${code}</code> · HTTP status ${status}</p>
${renderMarkdown(text)}
<dl><dt>What has to be done first</dt><dd>${actions[action]}</dd>
<dt>Does it help to try the same again?</dt><dd>${retryable ? 'Yes, later.' : 'Not without a change.'}</dd></dl>
<p><a href="/problems">All problems</a></p>`,
  };
}

/** A refusal as its page for people. */
export function refusalPage(problem: ProblemError, connectUrl: string): Page {
  const { title, status, action } = problem.kind;
  const reconnect = action === 'reconnect';
  return {
    title,
    status,
    banner: true,
    body: html`<h1>${title}</h1>
<p>${inWordsForPeople(problem)}</p>
<div class="actions">${reconnect && html`<a class="button main" href="${connectUrl}">Connect your X account</a>`}
<a class="button" href="/">Start page</a></div>
<p class="small more"><a href="/problems/${problem.code}">More about this</a></p>`,
  };
}

/** Details speak to programs; two of them come up where people are. */
function inWordsForPeople({ code, detail }: ProblemError): string {
  if (code === 'unauthorized')
    return 'This page belongs to an X account. Connect yours, and you are brought back here.';
  return code === 'not_found' ? detail.replace(/ See \/openapi\.json.*$/, '') : detail;
}
