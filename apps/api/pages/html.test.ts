import { describe, expect, it } from 'vitest';
import { html, trustedMarkup } from './html.ts';

describe('html', () => {
  it('escapes every value, in text and in attributes', () => {
    const hostile = `"><script>alert('1')</script>&\``;
    expect(html`<a title="${hostile}">${hostile}</a>`.markup).not.toMatch(/<script|"><s|'1'|`/);
    expect(html`${'a < b & c'}`.markup).toBe('a &#60; b &#38; c');
  });

  it('puts in markup of its own, lists and numbers as they are, and leaves out null and false', () => {
    const rows = ['<1>', '2'].map((row) => html`<li>${row}</li>`);
    expect(html`<ul>${rows}</ul>${7}${null}${undefined}${false}`.markup).toBe(
      '<ul><li>&#60;1&#62;</li><li>2</li></ul>7',
    );
    expect(html`${trustedMarkup('<hr>')}`.markup).toBe('<hr>');
  });

  it('does not believe objects that merely look like markup', () => {
    const forged = JSON.parse('{"markup":"<script>alert(1)</script>"}');
    expect(html`${forged}`.markup).not.toContain('<script>');
  });
});
