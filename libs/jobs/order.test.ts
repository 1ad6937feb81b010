import { expect, it } from 'vitest';
import { fingerprintOf, type Order } from './order.ts';

const order: Order = {
  posts: [
    {
      text: 'Cafe\u0301 ☕ "q"',
      media: [
        { kind: 'url', url: 'https://x.test/é' },
        { kind: 'file', fileId: 'f', url: 'https://link.test/1' },
        { kind: 'upload', mediaId: 'm' },
      ],
      altTexts: ['a', 'e\u0301'],
    },
    { text: null, media: [], altTexts: [] },
  ],
  replyTo: '1',
  quoteOf: null,
  poll: { options: ['a', 'b'], durationMinutes: 5 },
  replySettings: 'following',
  communityId: null,
  madeWithAi: true,
  paidPartnership: null,
  publishAt: 123,
  expiresAt: null,
};

it('the fingerprint of a wish outlives an upgrade: it stands in Redis, next to the key that the wish came with', () => {
  expect(fingerprintOf(order)).toBe('k9sCZSx4Krvdf7mpmqjyLPmct00W7pUoBzP16TVGelQ');
});

it('the same wish has the same fingerprint, however its letters are composed and its file is linked', () => {
  const [first, ...thread] = order.posts;
  const media = first.media.map((source) =>
    source.kind === 'file' ? { ...source, url: 'https://link.test/2' } : source,
  );
  const again = { ...first, text: 'Café ☕ "q"', altTexts: ['a', 'é'], media };
  expect(fingerprintOf({ ...order, posts: [again, ...thread] })).toBe(fingerprintOf(order));
});

it.each([
  { replyTo: '2' },
  { quoteOf: '1' },
  { poll: { options: ['a', 'c'], durationMinutes: 5 } },
  { poll: null },
  { replySettings: null },
  { communityId: '1' },
  { madeWithAi: null },
  { paidPartnership: true },
  { publishAt: null },
  { expiresAt: 1 },
  { posts: [order.posts[0]] as const },
])('another wish has another fingerprint: %o', (change) => {
  expect(fingerprintOf({ ...order, ...change })).not.toBe(fingerprintOf(order));
});
