import { type Html, html } from './html.ts';

/** The little Markdown that our own documents use: headings, paragraphs, lists, `**strong**`, code, links. Pure. */
export function renderMarkdown(text: string): Html {
  const blocks = text
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter(Boolean);
  return html`${blocks.map(renderBlock)}`;
}

function renderBlock(block: string): Html {
  if (!/^\* /.test(block)) return html`<p>${renderInline(block)}</p>`;
  const items = block.split(/^\* /m).slice(1);
  return html`<ul>${items.map((item) => html`<li>${renderInline(item)}</li>`)}</ul>`;
}

const marks = /(\*\*[^*]+\*\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\))/;

/** Text of one block. A link leads to https or to this server; any other target is left as text. */
function renderInline(text: string): Html {
  const parts = text.trim().split(marks);
  return html`${parts.map((part, index) => {
    if (index % 2 === 0) return part;
    if (part.startsWith('**')) return html`<strong>${part.slice(2, -2)}</strong>`;
    if (part.startsWith('`')) return html`<code>${part.slice(1, -1)}</code>`;
    const [, label = '', target = ''] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? [];
    return /^(https:\/\/|\/)/.test(target) ? html`<a href="${target}">${label}</a>` : label;
  })}`;
}
