import twitterText from 'twitter-text';

/** Where a link stands in a text: UTF-16 positions, `end` exclusive. */
interface LinkRange {
  readonly start: number;
  readonly end: number;
}

/** Letters, digits, hyphens and underscores of any script: what twitter-text takes for a part of a host name. */
const longLabel = /[^\p{ASCII}\s]{65,}|[^\0-,./:-@[-^`{-\x7F\s]{65,}/gu;
const longHost = /[^\0-,/:-@[-^`{-\x7F\s]{254,}/g;
/** twitter-text takes no link longer than this, but may try out every way to balance its parentheses. */
const longWord = /\S{4097,}/g;
/** Half of 64: a label of a host name has at most 63 characters (RFC 1035 section 2.3.4), a longer one makes no link. */
const kept = 32;

/**
 * The links that X would shorten, in order. twitter-text's search takes minutes for long words without spaces
 * (as Chinese and Japanese have them), because it starts anew at each character: it gets such words shortened,
 * in a way that does not change what is a link.
 */
export function findLinks(text: string): LinkRange[] {
  // A link ends its host name with a word.
  if (!/\.\p{L}/u.test(text)) return [];
  const cuts: { at: number; length: number }[] = [];
  let removed = 0;
  const short = text
    .replace(longLabel, (label, position: number) => {
      const length = label.length - 2 * kept;
      cuts.push({ at: position - removed + kept, length });
      removed += length;
      return label.slice(0, kept) + label.slice(-kept);
    })
    // A host name has at most 253 characters (RFC 1035 section 2.3.4).
    .replace(longHost, (host) => host.replaceAll('.', ','))
    .replace(longWord, (word) => word.replace(/[()]/g, '!'));
  return twitterText
    .extractUrlsWithIndices(short)
    .map(({ indices: [start, end] }) => ({ start: original(start, cuts), end: original(end, cuts) }));
}

function original(position: number, cuts: readonly { at: number; length: number }[]): number {
  return cuts.reduce((sum, { at, length }) => (at < position ? sum + length : sum), position);
}
