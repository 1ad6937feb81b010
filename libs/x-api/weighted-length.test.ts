import { expect, test } from 'vitest';
import { weightedLength } from './weighted-length.ts';

const count = (text: string) => weightedLength(text).weightedLength;

test.each([
  ['Hello, world! 👋', 16],
  ['—', 1],
  ['…', 2],
  ['€', 2],
  ['•', 2],
  ['a\r\nb', 4],
  ['日本語', 6],
  ['Привет', 6],
  ['', 0],
])('%j counts %i', (text, expected) => expect(count(text)).toBe(expected));

test('a text is counted in its composed form', () => {
  expect(count('e\u0301')).toBe(1);
  expect(count('e\u0301'.repeat(280))).toBe(280);
});

test.each([
  ['https://example.com/a/very/long/path/that/is/longer/than/twenty-three?with=query', 23],
  ['example.com', 23],
  ['see example.com, please', 4 + 23 + 8],
  ['http://localhost', 16],
  ['http://1.2.3.4/', 15],
  ['a@example.com', 13],
  ['foo.unknowntld', 14],
])('links count 23, what X does not link counts in full: %s', (text, expected) =>
  expect(count(text)).toBe(expected),
);

test.each([
  '👋',
  '👨‍👩‍👧‍👦',
  '🐦‍🔥',
  '❤️‍🔥',
  '❤‍🔥',
  '🏳️‍🌈',
  '🏳‍🌈',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '🇨🇶',
  '👩🏽‍🚀',
  '🧑🏾‍❤️‍💋‍🧑🏻',
  '1️⃣',
  '©️',
  '🫩',
  '🫱🏻‍🫲🏿',
  '⛹🏿‍♀',
])('an emoji counts 2, however new and however it is put together: %s', (emoji) => {
  expect(count(emoji)).toBe(2);
  expect(count(`a${emoji}${emoji}b`)).toBe(6);
});

test('a link is found whatever stands around it', () => {
  const long = 'あ'.repeat(500);
  expect(count(`https://example.com/${'a'.repeat(500)} b`)).toBe(25);
  expect(count(`${long} https://example.com/${'a-b/'.repeat(100)}?c=${'d'.repeat(100)}#e ${long}`)).toBe(
    2025,
  );
  expect(count(`${long}。https://example.com。${long}`)).toBe(2027);
  expect(count(`(example.com) "example.com/a_(b)"`)).toBe(4 + 23 + 1 + 23);
});

test('what only looks like an emoji counts as the text it is', () => {
  expect(count('©')).toBe(1);
  expect(count('1')).toBe(1);
  expect(count('a\u200Db')).toBe(3);
});

test('the limit is 280, or what the account has', () => {
  expect(weightedLength('a'.repeat(280))).toEqual({ weightedLength: 280, max: 280, valid: true });
  expect(weightedLength('a'.repeat(281)).valid).toBe(false);
  expect(weightedLength('a'.repeat(281), { max: 25_000 }).valid).toBe(true);
});

test.each(['', 'a\uFFFE', '\uFEFFa', 'a\uFFFF'])('%j is not valid', (text) =>
  expect(weightedLength(text).valid).toBe(false),
);

test.each([
  ['dots', 'a.'],
  ['linked dots', 'a.co.'],
  ['mentions', '@a.co '],
  ['links without end', 'http://a.co/'],
  ['parentheses', '(a'],
  ['ideographs', 'あ.com'],
  ['joined emoji', '👩‍'],
  ['joiners', '\u200D'],
  ['combining marks', '\u0301'],
  ['flags', '🇨'],
  ['dashes', '-_a.'],
  ['long labels', `${'あ'.repeat(62)}.`],
  ['joined words', 'a-'],
  ['joined words after a slash', '/a-b'],
  ['nested parentheses', '(a)'],
  ['queries', '?a=b&'],
  ['short hosts', `${'a.'.repeat(126)} `],
])('50,000 characters of %s are counted in a moment', (_name, part) => {
  const text = `http://a.co/${part.repeat(Math.ceil(50_000 / part.length))}`.slice(0, 50_000);
  const start = performance.now();
  weightedLength(text);
  expect(performance.now() - start).toBeLessThan(3000);
});
