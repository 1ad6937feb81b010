import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { showText } from '#apps/x-simulator/tweet-text.ts';
import type { XTweet } from '#libs/x-api/x-api.ts';
import { type ExpectedTweet, isOurs } from './match-tweet.ts';

const tweet = (given: Partial<XTweet> = {}): XTweet => ({
  id: '1',
  text: 'Hello',
  createdAt: 1000,
  mediaKeys: [],
  replyTo: null,
  quoteOf: null,
  urls: [],
  noteText: null,
  conversationId: '1',
  ...given,
});
const expected = (given: Partial<ExpectedTweet> = {}): ExpectedTweet => ({
  text: 'Hello',
  mediaKeys: [],
  mediaReused: false,
  mayHaveOtherMedia: false,
  hasMedia: false,
  replyTo: null,
  quoteOf: null,
  notBefore: 500,
  ...given,
});

describe('a post on X is ours', () => {
  it('when it has our text and is not older than our attempt', () => {
    expect(isOurs(tweet(), expected())).toBe(true);
    expect(isOurs(tweet({ createdAt: 499 }), expected())).toBe(false);
    expect(isOurs(tweet({ createdAt: 500 }), expected())).toBe(true);
  });

  it('never for being the newest', () => {
    expect(isOurs(tweet({ text: 'Hello!' }), expected())).toBe(false);
    expect(isOurs(tweet({ text: '' }), expected())).toBe(false);
  });

  it('although X escapes the text, once', () => {
    const text = 'a < b && c > d';
    expect(isOurs(tweet({ text: 'a &lt; b &amp;&amp; c &gt; d' }), expected({ text }))).toBe(true);
    expect(isOurs(tweet({ text: '&amp;lt;' }), expected({ text: '&lt;' }))).toBe(true);
    expect(isOurs(tweet({ text: '&amp;lt;' }), expected({ text: '<' }))).toBe(false);
  });

  it('although X composes characters (NFC)', () => {
    expect(isOurs(tweet({ text: 'Caf\u00e9' }), expected({ text: 'Cafe\u0301' }))).toBe(true);
  });

  it('although X shortens links, with and without a scheme', () => {
    const urls = [{ url: 'https://t.co/a', expandedUrl: 'http://example.com/' }];
    const shown = tweet({ text: 'See https://t.co/a now', urls });
    expect(isOurs(shown, expected({ text: 'See example.com now' }))).toBe(true);
    expect(isOurs(shown, expected({ text: 'See http://example.com/ now' }))).toBe(true);
    expect(isOurs(shown, expected({ text: 'See example.org now' }))).toBe(false);
  });

  it('with a link that contains an escaped character', () => {
    const urls = [{ url: 'https://t.co/a', expandedUrl: 'https://example.com/?a=1&b=2' }];
    const text = 'https://example.com/?a=1&b=2';
    expect(isOurs(tweet({ text: 'https://t.co/a', urls }), expected({ text }))).toBe(true);
  });

  it('although an underscore follows a link', () => {
    const urls = [{ url: 'https://t.co/aBcDeFgH12', expandedUrl: 'http://example.com' }];
    const shown = tweet({ text: 'See https://t.co/aBcDeFgH12_now', urls });
    expect(isOurs(shown, expected({ text: 'See example.com_now' }))).toBe(true);
  });

  it("although a link of X's own shortener was typed, and X tells where it leads", () => {
    const urls = [
      { url: 'https://t.co/aBcDeFgH12', expandedUrl: 'https://example.com/shared' },
      { url: 'https://t.co/kLmNoPqR34', expandedUrl: 'https://example.org/' },
    ];
    const shown = tweet({ text: 'https://t.co/aBcDeFgH12 and https://t.co/kLmNoPqR34', urls });
    expect(isOurs(shown, expected({ text: 'https://t.co/aBcDeFgH12 and example.org' }))).toBe(true);
    expect(isOurs(shown, expected({ text: 'https://t.co/zzzzzzzzzz and example.org' }))).toBe(false);
  });

  it('and an answer of X in which a link has no address ends the comparison', () => {
    const urls = [{ url: '', expandedUrl: 'https://x.com/ada/status/1/photo/1' }];
    const picture = tweet({ text: 'Hello', urls, mediaKeys: ['3_1'] });
    expect(isOurs(picture, expected({ text: 'Hello', hasMedia: true }))).toBe(true);
  });

  it('although X appends a link to the media or to the quoted post', () => {
    const media = { url: 'https://t.co/m', expandedUrl: 'https://x.com/ada/status/1/photo/1' };
    const picture = tweet({ text: 'Hello https://t.co/m', urls: [media], mediaKeys: ['3_1'] });
    expect(isOurs(picture, expected({ hasMedia: true }))).toBe(true);
    const quoted = { url: 'https://t.co/q', expandedUrl: 'https://x.com/ben/status/77' };
    const quote = tweet({ text: 'Hello https://t.co/q', urls: [quoted], quoteOf: '77' });
    expect(isOurs(quote, expected({ quoteOf: '77' }))).toBe(true);
  });

  it('although a link to a picture at the end of its text was typed, and not appended', () => {
    const link = 'https://x.com/ada/status/1/photo/1';
    const urls = [{ url: 'https://t.co/p', expandedUrl: link }];
    const text = `From my album: ${link}`;
    const shown = { text: 'From my album: https://t.co/p', urls };
    expect(isOurs(tweet(shown), expected({ text }))).toBe(true);
    expect(isOurs(tweet(shown), expected({ text: 'From my album:' }))).toBe(false);
    const media = { url: 'https://t.co/m', expandedUrl: 'https://x.com/ada/status/2/photo/1' };
    const picture = tweet({
      text: `${shown.text} https://t.co/m`,
      urls: [...urls, media],
      mediaKeys: ['3_1'],
    });
    expect(isOurs(picture, expected({ text, hasMedia: true }))).toBe(true);
    const quote = { url: 'https://t.co/q', expandedUrl: 'https://x.com/ben/status/77' };
    const both = { text: 'Hello https://t.co/q https://t.co/m', urls: [quote, media], mediaKeys: ['3_1'] };
    expect(isOurs(tweet({ ...both, quoteOf: '77' }), expected({ hasMedia: true, quoteOf: '77' }))).toBe(true);
  });

  it('whatever its text and the links in it are made of', () => {
    const parts = [
      '&amp;',
      '&',
      '&lt;',
      '<',
      '$&',
      '$$',
      "$'",
      '$`',
      '%20',
      '/',
      '?a=1',
      '#x',
      'é',
      '.',
      ' ',
      '\n',
    ];
    const link = fc
      .array(fc.constantFrom(...parts, 'a', 'status/1/photo/1'), { maxLength: 6 })
      .map((path) => `https://example.com/${path.join('')}`);
    const word = fc.constantFrom(...parts, 'word', 'example.org', 'https://t.co/abc', '@ada');
    const texts = fc
      .array(fc.oneof(link, word), { minLength: 1, maxLength: 8 })
      .map((words) => words.join(' '));
    fc.assert(
      fc.property(texts, (text) => {
        const { shown, links } = showText(text, []);
        const urls = links.map(({ shortUrl, expandedUrl }) => ({ url: shortUrl, expandedUrl }));
        expect(isOurs(tweet({ text: shown, urls }), expected({ text }))).toBe(true);
        expect(isOurs(tweet({ text: shown, urls }), expected({ text: `${text} more` }))).toBe(false);
      }),
    );
  });

  it('by the whole text of a long post, not by its cut one', () => {
    const noteText = 'x'.repeat(300);
    const shown = tweet({ text: `${'x'.repeat(270)}…`, noteText });
    expect(isOurs(shown, expected({ text: noteText }))).toBe(true);
  });

  it('only with the same target of a reply or a quote', () => {
    expect(isOurs(tweet({ replyTo: '5' }), expected())).toBe(false);
    expect(isOurs(tweet({ replyTo: '5' }), expected({ replyTo: '5' }))).toBe(true);
    expect(isOurs(tweet({ quoteOf: '5' }), expected({ quoteOf: '6' }))).toBe(false);
  });

  it('although X takes a link to another post in its text for a quote', () => {
    const link = { url: 'https://t.co/q', expandedUrl: 'https://x.com/ben/status/77' };
    const shown = tweet({ text: 'Read https://t.co/q', urls: [link], quoteOf: '77' });
    expect(isOurs(shown, expected({ text: 'Read https://x.com/ben/status/77' }))).toBe(true);
    expect(isOurs(shown, expected({ text: 'Read' }))).toBe(false);
    expect(isOurs(shown, expected({ text: 'Read', quoteOf: '77' }))).toBe(true);
    expect(isOurs({ ...shown, quoteOf: '7' }, expected({ text: 'Read https://x.com/ben/status/77' }))).toBe(
      false,
    );
  });

  it('although X puts the names of those who are answered before a reply', () => {
    const shown = tweet({ text: '@ben @cleo Thanks @dora', replyTo: '5' });
    expect(isOurs(shown, expected({ text: 'Thanks @dora', replyTo: '5' }))).toBe(true);
    expect(isOurs(shown, expected({ text: '@ben Thanks @dora', replyTo: '5' }))).toBe(true);
    expect(isOurs(shown, expected({ text: 'Thanks', replyTo: '5' }))).toBe(false);
    const alone = tweet({ text: '@ben Thanks' });
    expect(isOurs(alone, expected({ text: 'Thanks' }))).toBe(false);
  });

  it('by media that another post of the account may carry too only with the same text', () => {
    const reused = { hasMedia: true, mediaReused: true, mediaKeys: ['3_77'] };
    const theirs = tweet({ text: 'Another text https://t.co/m', mediaKeys: ['3_77'] });
    expect(isOurs(theirs, expected(reused))).toBe(false);
    expect(isOurs(theirs, expected({ ...reused, text: 'Another text https://t.co/m' }))).toBe(true);
  });

  it('by its media, whatever the prefix of the key, and only by it', () => {
    const wanted = expected({ text: null, hasMedia: true, mediaKeys: ['13_55'] });
    expect(isOurs(tweet({ text: 'https://t.co/m', mediaKeys: ['3_55'] }), wanted)).toBe(true);
    expect(isOurs(tweet({ mediaKeys: ['3_56'] }), { ...wanted, text: 'Hello' })).toBe(false);
  });

  it('by its text too, where an earlier upload may have been sent', () => {
    const wanted = expected({ hasMedia: true, mediaKeys: ['3_55'], mayHaveOtherMedia: true });
    expect(isOurs(tweet({ mediaKeys: ['3_56'] }), wanted)).toBe(true);
    expect(isOurs(tweet({ text: 'Another', mediaKeys: ['3_56'] }), wanted)).toBe(false);
    expect(isOurs(tweet(), wanted)).toBe(false);
  });

  it('not when one of them has media and the other has not', () => {
    expect(isOurs(tweet({ mediaKeys: ['3_1'] }), expected())).toBe(false);
    expect(isOurs(tweet(), expected({ hasMedia: true }))).toBe(false);
  });
});
