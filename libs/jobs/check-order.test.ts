import { describe, expect, it } from 'vitest';
import { checkOrder } from './check-order.ts';
import type { MediaSource, Order, PostOrder } from './order.ts';
import { orderOf } from './test-order.ts';

const now = Date.UTC(2026, 0, 1);
const day = 24 * 60 * 60_000;
const picture: MediaSource = { kind: 'url', url: 'https://example.com/a.png' };

const post = (given: Partial<PostOrder> = {}): PostOrder => ({
  text: 'Hello',
  media: [],
  altTexts: [],
  ...given,
});
const fields = (given: Partial<Order>, maxWeightedLength = 280): string[] =>
  checkOrder(orderOf('Hello', given), { now, maxWeightedLength }).map(({ field }) => field);
const poll = (options: string[], durationMinutes = 60) => ({ poll: { options, durationMinutes } });

describe('an order', () => {
  it('that keeps every rule has no faults', () => {
    expect(fields({})).toEqual([]);
    expect(fields({ posts: [post({ text: null, media: [picture] })] })).toEqual([]);
    expect(fields({ ...poll(['Yes', 'No']) })).toEqual([]);
  });

  it('needs text or media in every post', () => {
    expect(fields({ posts: [post({ text: ' \n' }), post({ text: null })] })).toEqual([
      'text',
      'thread[0].text',
    ]);
  });

  it('has a text as long as X counts it', () => {
    expect(fields({ posts: [post({ text: 'x'.repeat(280) })] })).toEqual([]);
    expect(fields({ posts: [post({ text: 'x'.repeat(281) })] })).toEqual(['text']);
    expect(fields({ posts: [post({ text: '💙'.repeat(141) })] })).toEqual(['text']);
    expect(fields({ posts: [post({ text: `https://example.com/${'x'.repeat(400)}` })] })).toEqual([]);
    expect(fields({ posts: [post({ text: 'x'.repeat(281) })] }, 25_000)).toEqual([]);
  });

  it('has at most four media items, and no more alt texts than those', () => {
    expect(fields({ posts: [post({ media: Array(5).fill(picture) })] })).toEqual(['media_urls']);
    expect(fields({ posts: [post({ media: [picture], altTexts: ['a', 'b'] })] })).toEqual(['alt_texts']);
    expect(fields({ posts: [post({ media: [picture], altTexts: ['💙'.repeat(1000)] })] })).toEqual([]);
    expect(fields({ posts: [post({ media: [picture], altTexts: ['x'.repeat(1001)] })] })).toEqual([
      'alt_texts[0]',
    ]);
  });

  it('has a text that is not even weighed if no account could post it', () => {
    const text = '👩\u200d👩\u200d👧\u200d👦'.repeat(3571);
    expect(fields({ posts: [post({ text })] }, 25_000)).toEqual([]);
    expect(fields({ posts: [post({ text: `${text}👋👋👋👋` })] }, 25_000)).toEqual(['text']);
    const at = performance.now();
    expect(fields({ posts: [post({ text: '👩\u200d'.repeat(330_000) })] }, 25_000)).toEqual(['text']);
    // To weigh it would take seconds.
    expect(performance.now() - at).toBeLessThan(1000);
  });

  it('has no character that X refuses, whatever length the account may post', () => {
    for (const max of [280, 25_000])
      expect(fields({ posts: [post({ text: 'Hello\ufeff' })] }, max)).toEqual(['text']);
  });

  it('has one cashtag in each post, as X sees cashtags', () => {
    expect(fields({ posts: [post({ text: '$TSLA costs $20, see$ABC and $1B' })] })).toEqual([]);
    expect(fields({ posts: [post({ text: '$TSLA' }), post({ text: '$AAPL' })] })).toEqual([]);
    expect(fields({ posts: [post({ text: 'Hello' }), post({ text: '$TSLA and $brk.a!' })] })).toEqual([
      'thread[0].text',
    ]);
  });

  it('does not mix kinds of media that are known', () => {
    const upload = (mediaId: string): MediaSource => ({ kind: 'upload', mediaId });
    const uploadKinds = new Map([
      ['a', 'image'],
      ['b', 'image'],
      ['v', 'video'],
      ['g', 'gif'],
    ] as const);
    const mixed = (...media: MediaSource[]) =>
      checkOrder(orderOf('', { posts: [post(), post({ media })] }), {
        now,
        maxWeightedLength: 280,
        uploadKinds,
      });
    expect(mixed(upload('a'), upload('b'), picture)).toEqual([]);
    expect(mixed(upload('v'))).toEqual([]);
    for (const [name, media] of [
      ['a video', [upload('a'), upload('v')]],
      ['a video', [upload('v'), upload('v')]],
      ['a GIF', [picture, upload('g')]],
    ] as const)
      expect(mixed(...media)).toEqual([
        { field: 'thread[0].media_ids', message: expect.stringContaining(name) },
      ]);
  });

  it('has either a poll or media or a quote', () => {
    expect(fields({ posts: [post({ media: [picture] })], ...poll(['a', 'b']) })).toEqual(['poll']);
    expect(fields({ quoteOf: '1', ...poll(['a', 'b']) })).toEqual(['quote_tweet_id']);
    expect(fields({ quoteOf: '1', posts: [post({ media: [picture] })] })).toEqual(['quote_tweet_id']);
  });

  it('has a poll of 2 to 4 different options that runs 5 minutes to 7 days', () => {
    expect(fields(poll(['a']))).toEqual(['poll.options']);
    expect(fields(poll(['a', 'b', 'c', 'd', 'e']))).toEqual(['poll.options']);
    expect(fields(poll(['a', ' a ']))).toEqual(['poll.options']);
    expect(fields(poll(['a', 'x'.repeat(26)]))).toEqual(['poll.options[1]']);
    expect(fields(poll(['a', 'b'], 4))).toEqual(['poll.duration_minutes']);
    expect(fields(poll(['a', 'b'], 10_081))).toEqual(['poll.duration_minutes']);
    expect(fields(poll(['a', 'b'], 10_080))).toEqual([]);
  });

  it('refers to posts by their numbers', () => {
    expect(fields({ replyTo: 'https://x.com/a/status/1' })).toEqual(['reply_to_tweet_id']);
    expect(fields({ quoteOf: '1'.repeat(20), communityId: '' })).toEqual(['quote_tweet_id', 'community_id']);
  });

  it('is due within a year, and expires after that', () => {
    expect(fields({ publishAt: now + 365 * day })).toEqual([]);
    const inAYear = new Date(now).setUTCFullYear(new Date(now).getUTCFullYear() + 1);
    expect(fields({ publishAt: inAYear })).toEqual([]);
    expect(fields({ publishAt: inAYear + 1 })).toEqual(['publish_at']);
    expect(fields({ publishAt: now - 61_000 })).toEqual(['publish_at']);
    expect(fields({ expiresAt: now })).toEqual(['expires_at']);
    expect(fields({ publishAt: now + day, expiresAt: now + day })).toEqual(['expires_at']);
  });

  it('is told all its faults at once', () => {
    const faults = fields({ posts: [post({ text: null })], replyTo: 'x', publishAt: 0, ...poll(['a']) });
    expect(faults).toEqual(['text', 'poll.options', 'reply_to_tweet_id', 'publish_at']);
  });
});
