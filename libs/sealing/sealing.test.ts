import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSealer, UnsealError } from './sealing.ts';

const keyA = { kid: 'a', key: randomBytes(32) };
const keyB = { kid: 'b', key: randomBytes(32) };
const context = { record: 'token_set', account: '7', id: '7' };

test('what was sealed opens again, whatever the text', () => {
  const sealer = createSealer([keyA]);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (plain) => {
      const sealed = sealer.seal(plain, context);
      expect(sealer.open(sealed, context)).toBe(plain);
    }),
  );
});

test('the same text is sealed differently each time and never shows', () => {
  const sealer = createSealer([keyA]);
  const sealed = [sealer.seal('secret-canary', context), sealer.seal('secret-canary', context)];
  expect(new Set(sealed).size).toBe(2);
  expect(sealed.join()).not.toContain('secret-canary');
  expect(Buffer.from(sealed[0]?.split('.')[3] ?? '', 'base64url').toString()).not.toContain('secret');
});

test('a value does not open in another record, account or place', () => {
  const sealer = createSealer([keyA]);
  const sealed = sealer.seal('x', context);
  for (const other of [{ record: 'order' }, { account: '8' }, { id: '8' }, { account: '77', id: '' }])
    expect(() => sealer.open(sealed, { ...context, ...other })).toThrow(UnsealError);
});

test('fields cannot be shifted into one another', () => {
  const sealer = createSealer([keyA]);
  const sealed = sealer.seal('x', { record: 'r', account: 'a', id: 'b' });
  expect(() => sealer.open(sealed, { record: 'r', account: 'a","b', id: '' })).toThrow(UnsealError);
  expect(() => sealer.open(sealed, { record: 'ra', account: '', id: 'b' })).toThrow(UnsealError);
});

test('any altered character is noticed', () => {
  const sealer = createSealer([keyA]);
  const sealed = sealer.seal('some text', context);
  for (let at = 0; at < sealed.length; at++) {
    const altered = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
    // The unused low bits of a part's last base64 character carry nothing.
    const sameBytes = altered
      .split('.')
      .every(
        (part, i) =>
          i < 2 ||
          Buffer.from(part, 'base64url').equals(Buffer.from(sealed.split('.')[i] ?? '', 'base64url')),
      );
    if (sameBytes && altered.startsWith('v1.a.')) continue;
    expect(() => sealer.open(altered, context), altered).toThrow(UnsealError);
  }
});

test('a shortened tag is refused', () => {
  const sealer = createSealer([keyA]);
  const parts = sealer.seal('some text', context).split('.');
  const tag = Buffer.from(parts[4] ?? '', 'base64url')
    .subarray(0, 4)
    .toString('base64url');
  expect(() => sealer.open([...parts.slice(0, 4), tag].join('.'), context)).toThrow(UnsealError);
});

test.each(['', 'v1', 'plain text', 'v1.a...', 'v2.a.b.c.d', 'v1.a.!.!.!', 'v1.a.b.c.d.e'])(
  'something else is not taken for a sealed value: %j',
  (text) => expect(() => createSealer([keyA]).open(text, context)).toThrow(UnsealError),
);

test('a new first key seals, the old one still opens, a key that is gone does not', () => {
  const old = createSealer([keyA]).seal('x', context);
  const rotated = createSealer([keyB, keyA]);
  expect(rotated.open(old, context)).toBe('x');
  expect(rotated.kidOf(old)).toBe('a');
  expect(rotated.currentKid).toBe('b');
  expect(rotated.kidOf(rotated.seal('x', context))).toBe('b');
  expect(() => createSealer([keyB]).open(old, context)).toThrow('The key a is not among');
});

test('an id that names another key does not open', () => {
  const sealed = createSealer([keyA]).seal('x', context);
  const sealer = createSealer([keyA, keyB]);
  expect(() => sealer.open(sealed.replace('v1.a.', 'v1.b.'), context)).toThrow(UnsealError);
});

test('no key, a short key, a doubled or unusable id: no sealer', () => {
  expect(() => createSealer([])).toThrow('At least one');
  expect(() => createSealer([{ kid: 'a', key: randomBytes(31) }])).toThrow('32 bytes');
  expect(() => createSealer([keyA, { ...keyB, kid: 'a' }])).toThrow('Two');
  expect(() => createSealer([{ ...keyA, kid: 'a.b' }])).toThrow('key id');
});
