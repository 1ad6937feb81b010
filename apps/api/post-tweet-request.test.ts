import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPostTweetRequest } from './post-tweet-request.ts';

const malformed = (body: unknown) => readPostTweetRequest(body).malformed.map(({ field }) => field);
const broken = (body: unknown) => readPostTweetRequest(body).broken.map(({ field }) => field);

describe('the body of a post', () => {
  it('is read whatever JSON it is, without ever throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(readPostTweetRequest(body).order.posts.length).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  it('may have any JSON in any of its fields', () => {
    const names = [
      ...['text', 'media_url', 'media_urls', 'media_ids', 'alt_texts', 'openaiFileIdRefs', 'thread', 'poll'],
      ...['reply_to_tweet_id', 'quote_tweet_id', 'reply_settings', 'community_id', 'made_with_ai'],
      ...[
        'publish_at',
        'expires_at',
        'request_id',
        'allow_duplicate',
        'wait_seconds',
        '__proto__',
        'toString',
      ],
    ];
    const bodies = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
    fc.assert(
      fc.property(bodies, (body) => {
        const { order, waitSeconds } = readPostTweetRequest(body);
        expect(order.posts.length).toBeGreaterThanOrEqual(1);
        expect(typeof waitSeconds).toBe('number');
      }),
      { numRuns: 1000 },
    );
  });

  it('names every field of a wrong type and every unknown one', () => {
    const body = { text: 5, media_urls: ['https://a.example/', 7], poll: { options: 'x' }, colour: 'red' };
    expect(malformed(body)).toEqual(
      expect.arrayContaining(['text', 'media_urls[1]', 'poll.options', 'colour']),
    );
    expect(malformed({ thread: [{ text: 'a' }, { txt: 'b' }, 'c'] })).toEqual(['thread[1].txt', 'thread[2]']);
    expect(malformed([])).toEqual(['body']);
  });

  it('names every wrong field of a poll', () => {
    const long = 'x'.repeat(26);
    expect(malformed({ poll: { options: ['a', 'b'], duration_minutes: 5, voters: 1 } })).toEqual([
      'poll.voters',
    ]);
    const poll = { options: ['a', long], duration_minutes: 5.5, z: 1 };
    expect(malformed({ poll })).toEqual(['poll.duration_minutes', 'poll.z']);
    expect(readPostTweetRequest({ poll }).order.poll?.options).toEqual(['a', long]);
    expect(malformed({ poll: {} })).toEqual(['poll.options', 'poll.duration_minutes']);
    expect(malformed({ poll: 'yes' })).toEqual(['poll']);
  });

  it('says which rules cannot be judged, as a field that they are about could not be read', () => {
    const undecided = (body: unknown) => [...readPostTweetRequest(body).undecided];
    expect(undecided({ text: 5 })).toEqual(['text']);
    expect(undecided({ media_urls: [7], alt_texts: ['a'] })).toEqual(['text', 'alt_texts']);
    expect(undecided({ text: 'a', media_url: 7 })).toEqual(['alt_texts']);
    expect(undecided({ text: 'a', thread: [null, { text: 'b' }, { text: 5 }] })).toEqual([
      'thread[0].text',
      'thread[2].text',
    ]);
    for (const body of [[], null, 'x']) expect(undecided(body)).toEqual(['text']);
    expect(undecided({ thread: [{ txt: 'b' }] })).toEqual([]);
  });

  it('takes null for left out, in files and alt texts too', () => {
    const file = { id: null, name: null, mime_type: null, download_link: 'https://a.example/1' };
    const read = readPostTweetRequest({ openaiFileIdRefs: [file], alt_texts: ['a', null] });
    expect(read.malformed).toEqual([]);
    expect(read.order.posts[0].altTexts).toEqual(['a', '']);
    expect(malformed({ alt_texts: ['a', 5] })).toEqual(['alt_texts[1]']);
  });

  it('takes null for left out', () => {
    const { malformed: wrong, order } = readPostTweetRequest({ text: 'Hello', media_url: null, poll: null });
    expect(wrong).toEqual([]);
    expect(order).toMatchObject({ posts: [{ text: 'Hello', media: [] }], poll: null });
  });

  it('has text that is Unicode', () => {
    expect(malformed({ text: 'a\ud800' })).toEqual(['text']);
    expect(malformed({ text: 'a\0b' })).toEqual(['text']);
  });

  it('has times with their zone', () => {
    const at = (publishAt: string) => readPostTweetRequest({ publish_at: publishAt }).order.publishAt;
    expect(at('2026-11-22T09:00:00Z')).toBe(Date.UTC(2026, 10, 22, 9));
    expect(at('2026-11-22 10:00:00.5+01:00')).toBe(Date.UTC(2026, 10, 22, 9) + 500);
    for (const wrong of ['2026-11-22T09:00:00', '2026-11-22', 'tomorrow', '2026-13-22T09:00:00Z', ''])
      expect(broken({ publish_at: wrong })).toEqual(['publish_at']);
  });

  it('refuses a day that no calendar has', () => {
    for (const wrong of ['2026-02-30T09:00:00Z', '2026-02-29T09:00:00Z', '2026-11-22T24:00:00Z'])
      expect(broken({ publish_at: wrong })).toEqual(['publish_at']);
    expect(broken({ publish_at: '2028-02-29T09:00:00Z' })).toEqual([]);
  });

  it('has media at web addresses', () => {
    for (const url of ['ftp://a.example/x', 'file:///etc/passwd', 'data:image/png;base64,AA==', 'x', ''])
      expect(broken({ media_url: url })).toEqual(['media_url']);
    expect(broken({ media_url: `https://a.example/${'x'.repeat(2048)}` })).toEqual(['media_url']);
  });

  it('uses four of at most ten files', () => {
    const file = (id: number) => ({ id: `f${id}`, download_link: `https://a.example/${id}` });
    const files = (count: number) => ({
      openaiFileIdRefs: Array.from({ length: count }, (_, index) => file(index)),
    });
    expect(readPostTweetRequest(files(10)).order.posts[0].media).toHaveLength(4);
    expect(broken(files(10))).toEqual([]);
    expect(broken(files(11))).toEqual(['openaiFileIdRefs']);
    expect(malformed({ openaiFileIdRefs: ['file-1'] })).toEqual(['openaiFileIdRefs[0]']);
  });

  it('waits a whole number of seconds up to 40', () => {
    for (const seconds of [-1, 41, 1.5]) expect(broken({ wait_seconds: seconds })).toEqual(['wait_seconds']);
    expect(broken({ wait_seconds: 40 })).toEqual([]);
  });
});
