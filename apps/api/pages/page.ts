import { createHash } from 'node:crypto';
import type { ParameterizedContext } from 'koa';
import { type Html, html, trustedMarkup } from './html.ts';
import { style } from './style.ts';

export interface Page {
  readonly title: string;
  readonly body: Html;
  /** HTTP status; 200 when left out. */
  readonly status?: number;
  /** For tables and lists of jobs. */
  readonly wide?: boolean;
  /** A script of ours, as a constant: it runs by its hash, nothing else does. */
  readonly inlineScript?: string;
  /** The script asks this server for more, as a live page does (`connect-src` of CSP). */
  readonly connects?: boolean;
  /** Begins with the name of the server, which leads home. */
  readonly banner?: boolean;
  /** Seconds after which a browser that runs no scripts shows the page anew. */
  readonly refreshSeconds?: number | undefined;
  /** Origins besides our own where a form of the page may end up, also by redirects (`form-action` of CSP). */
  readonly formTargets?: readonly string[];
  /** Set for pages that hold nothing personal: browsers may keep them this long. */
  readonly cacheSeconds?: number;
}

/** What of Koa's context a page needs. */
type PageContext = Pick<ParameterizedContext, 'status' | 'body' | 'type' | 'set' | 'remove'>;

/** Whether the one who asks is a browser that wants a page rather than JSON. */
export function wantsPage(ctx: Pick<ParameterizedContext, 'accepts'>): boolean {
  return ctx.accepts('json', 'html') === 'html';
}

/** Answers with a whole page and the headers that protect it. */
export function sendPage(ctx: PageContext, page: Page): void {
  ctx.status = page.status ?? 200;
  for (const [name, value] of Object.entries(pageHeaders(page))) ctx.set(name, value);
  // A sign-in may run in a window that its opener waits for: being isolated from it would leave both stuck.
  ctx.remove('Cross-Origin-Opener-Policy');
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = layout(page).markup;
}

function layout({ title, body, wide, inlineScript, banner, refreshSeconds }: Page): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · post-to-x</title>
<link rel="icon" href="data:,">
${refreshSeconds !== undefined && html`<noscript><meta http-equiv="refresh" content="${refreshSeconds}"></noscript>`}
${trustedMarkup(`<style>${style}</style>`)}
</head>
<body>
${banner && html`<header class="${wide ? 'wide' : ''}"><a href="/">post-to-x</a></header>`}
<main class="${wide ? 'wide' : ''}">
${body}
</main>
<footer><a href="/">Start page</a> <a href="/privacy">Privacy</a> <a href="/problems">Problems</a></footer>
${inlineScript !== undefined && trustedMarkup(`<script>${inlineScript}</script>`)}
</body>
</html>
`;
}

function pageHeaders({
  inlineScript,
  connects,
  formTargets = [],
  cacheSeconds,
}: Page): Record<string, string> {
  return {
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src ${sourceHash(style)}`,
      ...(inlineScript === undefined ? [] : [`script-src ${sourceHash(inlineScript)}`]),
      ...(connects ? ["connect-src 'self'"] : []),
      'img-src data:',
      `form-action ${["'self'", ...formTargets].join(' ')}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': cacheSeconds === undefined ? 'no-store' : `public, max-age=${cacheSeconds}`,
  };
}

/** A hash source of CSP (section 2.3.1). */
function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
