/** HTML that is safe to put into a page as it is. */
export interface Html {
  readonly html: string;
}

type Value = Html | string | number | null | false | readonly Value[];

/** Tag for HTML: every value is escaped unless it is HTML itself; lists are joined, null and false vanish. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return { html: strings.map((part, index) => part + render(values[index] ?? null)).join('') };
}

function render(value: Value): string {
  if (value === null || value === false) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escapeHtml(value);
  if ('html' in value) return value.html;
  return value.map(render).join('');
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** The headers every page goes out with: nothing from elsewhere is loaded, and nobody frames it. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
} as const;

/** A whole page in the simulator's looks. */
export function renderPage(title: string, content: Html, script?: string): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/_simulator/style.css">
${script ? html`<script src="${script}" defer></script>` : null}
</head>
<body>
${content}
</body>
</html>
`;
  return page.html;
}
