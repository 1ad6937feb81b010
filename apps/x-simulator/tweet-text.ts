import { randomInt } from 'node:crypto';
import twitterText from 'twitter-text';
import type { Link } from './tweet-book.ts';

/**
 * A text as X counts it (fundamentals/counting-characters). The table of emoji in twitter-text is years old, so
 * each sequence that Unicode knows today is first replaced by one plain emoji, which counts 2.
 */
export function countText(text: string): { weightedLength: number; isValid: boolean } {
  const plain = text.normalize('NFC').replace(/\p{RGI_Emoji}/gv, '\u{1F642}');
  const { weightedLength } = twitterText.parseTweet(plain);
  return { weightedLength, isValid: !/[\uFFFE\uFEFF\uFFFF]/.test(text) };
}

/** Every URL X would turn into a t.co link, bare domains too. */
export function findUrls(text: string): readonly { url: string; indices: [number, number] }[] {
  return twitterText.extractUrlsWithIndices(text, { extractUrlsWithoutProtocol: true });
}

export function countCashtags(text: string): number {
  return twitterText.extractCashtags(text).length;
}

/** Usernames a text mentions, in lower case. */
export function findMentions(text: string): readonly string[] {
  return twitterText.extractMentions(text).map((name) => name.toLowerCase());
}

/** A new t.co link to somewhere. */
export function shorten(expandedUrl: string, mediaKey: string | null = null): Link {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const name = Array.from({ length: 10 }, () => letters[randomInt(letters.length)]).join('');
  const bare = expandedUrl.replace(/^https?:\/\/(www\.)?/, '');
  const displayUrl = bare.length > 27 ? `${bare.slice(0, 26)}…` : bare;
  return { shortUrl: `https://t.co/${name}`, expandedUrl, displayUrl, mediaKey };
}

/** How X shows a text: URLs as t.co links, `& < >` escaped, links to media or a quoted post at the end. */
export function showText(text: string, trailing: readonly Link[]): { shown: string; links: readonly Link[] } {
  const links: Link[] = [];
  let shown = '';
  let end = 0;
  for (const { url, indices } of findUrls(text)) {
    const link = shorten(/^https?:\/\//i.test(url) ? url : `http://${url}`);
    links.push(link);
    shown += escapeText(text.slice(end, indices[0])) + link.shortUrl;
    end = indices[1];
  }
  shown += escapeText(text.slice(end));
  return {
    shown: [shown, ...trailing.map(({ shortUrl }) => shortUrl)].filter(Boolean).join(' '),
    links: [...links, ...trailing],
  };
}

/** The beginning of a long post: as much as X shows outside of `note_tweet`, with a link to the rest. */
export function truncateText(text: string, link: Link): string {
  const characters = [...text];
  return `${escapeText(characters.slice(0, 274).join('').trimEnd())}… ${link.shortUrl}`;
}

/** X's `entities`: positions count code points of the text that is shown. */
export function renderEntities(shown: string, links: readonly Link[]): Record<string, unknown> {
  const urls = links.flatMap((link) => {
    const at = shown.indexOf(link.shortUrl);
    if (at === -1) return [];
    const start = [...shown.slice(0, at)].length;
    const media = link.mediaKey === null ? {} : { media_key: link.mediaKey };
    const { shortUrl: url, expandedUrl: expanded_url, displayUrl: display_url } = link;
    return [{ start, end: start + url.length, url, expanded_url, display_url, ...media }];
  });
  const span = ([from, to]: [number, number]) => ({
    start: [...shown.slice(0, from)].length,
    end: [...shown.slice(0, to)].length,
  });
  const hashtags = twitterText
    .extractHashtagsWithIndices(shown)
    .map(({ hashtag, indices }) => ({ ...span(indices), tag: hashtag }));
  const mentions = twitterText
    .extractMentionsWithIndices(shown)
    .map(({ screenName, indices }) => ({ ...span(indices), username: screenName }));
  const all = Object.entries({ urls, hashtags, mentions });
  return Object.fromEntries(all.filter(([, list]) => list.length > 0));
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
