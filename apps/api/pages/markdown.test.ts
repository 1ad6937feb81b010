import { expect, it } from 'vitest';
import { renderMarkdown } from './markdown.ts';

it('renders paragraphs, lists, strong text, code and links', () => {
  const text = '\nOne **two** `<3>`.\n\n* first\n  goes on\n* [second](https://example.org/a)\n';
  expect(renderMarkdown(text).markup).toBe(
    '<p>One <strong>two</strong> <code>&#60;3&#62;</code>.</p><ul><li>first\n  goes on</li>' +
      '<li><a href="https://example.org/a">second</a></li></ul>',
  );
});

it('leads nowhere but to https and to this server', () => {
  expect(renderMarkdown('[a](javascript:alert(1)) [b](other.md) [c](/problems)').markup).not.toMatch(
    /javascript|other/,
  );
});
