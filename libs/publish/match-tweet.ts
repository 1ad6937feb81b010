import type { XTweet } from '#libs/x-api/x-api.ts';

/** What our post looks like on X if it exists. */
export interface ExpectedTweet {
  readonly text: string | null;
  /** Keys of the media that we uploaded for it. */
  readonly mediaKeys: readonly string[];
  /** Other posts of the account may carry the same media: then its key alone proves nothing. */
  readonly mediaReused: boolean;
  readonly hasMedia: boolean;
  /** It may have been sent with an earlier upload, whose keys are not among these: its text counts too. */
  readonly mayHaveOtherMedia: boolean;
  readonly replyTo: string | null;
  readonly quoteOf: string | null;
  /** Epoch ms by X's clock: an older post is not ours. */
  readonly notBefore: number;
}

/** Whether this post can be the one that we sent. Never "the newest post": it has to carry our media or our text. */
export function isOurs(tweet: XTweet, expected: ExpectedTweet): boolean {
  if (tweet.createdAt < expected.notBefore) return false;
  if (expected.hasMedia && expected.mediaKeys.length > 0) {
    // The prefix names the category and may differ between upload and post; the number behind it is the media.
    const ours = new Set(expected.mediaKeys.map(numberOf));
    const hasOurs = tweet.mediaKeys.some((key) => ours.has(numberOf(key)));
    if (hasOurs || !expected.mayHaveOtherMedia)
      return hasOurs && (!expected.mediaReused || hasOurText(tweet, expected));
  }
  return (
    tweet.mediaKeys.length > 0 === expected.hasMedia &&
    tweet.replyTo === expected.replyTo &&
    (tweet.quoteOf === expected.quoteOf || isQuoteByLink(tweet, expected)) &&
    hasOurText(tweet, expected)
  );
}

/** A post whose text links to another one quotes that one too, as X shows it. */
function isQuoteByLink({ quoteOf }: XTweet, { quoteOf: asked, text }: ExpectedTweet): boolean {
  return asked === null && new RegExp(`/status/${quoteOf}(?!\\d)`).test(text ?? '');
}

/** Before a reply X puts the names of those who are answered, where they are not there already. */
const leadingNames = /^(?:@\w{1,15}\s+)+/;

function hasOurText(tweet: XTweet, { text, quoteOf, replyTo }: ExpectedTweet): boolean {
  const compared = (one: string) =>
    replyTo === null ? normalize(one) : normalize(one).replace(leadingNames, '');
  const typedText = text ?? '';
  // A link of X's own shortener that was typed stays as it is, and is told with where it leads all the same.
  const wanted = [typedText, withLinks(typedText, tweet)].map(compared);
  return readingsOf(tweet, quoteOf).some((reading) => wanted.includes(compared(reading)));
}

const numberOf = (mediaKey: string): string => mediaKey.slice(mediaKey.indexOf('_') + 1);

/**
 * What may have been typed where X shows this: X appends links to media and to the quoted post, but such a link at the
 * end may also have been typed.
 */
function readingsOf(tweet: XTweet, quoteOf: string | null): string[] {
  const readings: string[] = [];
  let shown = (tweet.noteText ?? tweet.text).trimEnd();
  for (;;) {
    readings.push(...typed(shown, tweet));
    const last = tweet.urls.find(({ url }) => url !== '' && shown.endsWith(url));
    if (!last || !mayBeAppended(last.expandedUrl, tweet, quoteOf)) return readings;
    shown = shown.slice(0, -last.url.length).trimEnd();
  }
}

function mayBeAppended(expandedUrl: string, { mediaKeys }: XTweet, quoteOf: string | null): boolean {
  if (mediaKeys.length > 0 && /\/status\/\d+\/(photo|video)\/\d+$/.test(expandedUrl)) return true;
  return quoteOf !== null && expandedUrl.endsWith(`/status/${quoteOf}`);
}

/**
 * A text that X shows as it was typed: unescaped, and with the links as they were. X escapes the text around links; what
 * looks escaped within one was typed so, or escaped as well.
 */
function typed(shown: string, tweet: XTweet): string[] {
  const text = unescaped(shown);
  return [withLinks(text, tweet), withLinks(text, tweet, unescaped)];
}

/** A text with where its links lead in their place. */
function withLinks(text: string, { urls }: XTweet, read = (link: string) => link): string {
  const links = new Map(urls.map(({ url, expandedUrl }) => [url, expandedUrl]));
  return text.replace(/https?:\/\/t\.co\/[a-z\d]+/gi, (url) => read(links.get(url) ?? url));
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** Links lose a scheme and a closing slash: X expands `example.com` to `http://example.com`. */
function normalize(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\r\n?/g, '\n')
    .replace(/\bhttps?:\/\//gi, '')
    .replace(/(\S)\/(?=\s|$)/g, '$1')
    .trim();
}
