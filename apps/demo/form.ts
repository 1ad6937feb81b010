/** What a browser sends when a person changes nothing in the first form of a page and presses its first button. */
export interface FilledForm {
  readonly action: string;
  readonly fields: URLSearchParams;
}

/**
 * Reads the first form of a page.
 * @throws Error when the page has none.
 */
export function parseForm(page: string, pageUrl: string): FilledForm {
  const [, tag, content] = /<form\b([^>]*)>([\s\S]*?)<\/form>/.exec(page) ?? [];
  if (tag === undefined || content === undefined) throw new Error(`There is no form at ${pageUrl}.`);
  const fields = new URLSearchParams();
  for (const [, input = ''] of content.matchAll(/<input\b([^>]*)>/g)) {
    const chosen = !/^(radio|checkbox)$/.test(attribute(input, 'type')) || /\bchecked\b/.test(input);
    const name = attribute(input, 'name');
    if (chosen && name) fields.append(name, attribute(input, 'value'));
  }
  const button = /<button\b([^>]*)>/.exec(content)?.[1] ?? '';
  const name = attribute(button, 'name');
  if (name) fields.append(name, attribute(button, 'value'));
  return { action: new URL(attribute(tag, 'action'), pageUrl).href, fields };
}

function attribute(tag: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
  return value
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
