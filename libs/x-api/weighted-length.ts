import { findLinks } from './find-links.ts';

/** How X counts a text: plain characters 1, most others 2, an emoji 2, a link 23. */
export interface WeightedText {
  readonly weightedLength: number;
  readonly max: number;
  /** Not empty, not too long, and without a character that X refuses (U+FFFE, U+FEFF, U+FFFF). */
  readonly valid: boolean;
}

const plainMax = 280;
/** Weighs what every emoji weighs. */
const standIn = '\u{1F44B}';
const emoji = /\p{RGI_Emoji}/gv;
const onlyEmoji = /^\p{RGI_Emoji}$/v;
/** Emoji joined by U+200D; none has more than ten parts. */
const joinedEmoji = /\p{ExtPict}[\uFE0F\p{EMod}]?(?:\u200D\p{ExtPict}[\uFE0F\p{EMod}]?){1,9}/gv;
const withoutPresentation = /(?=\p{Emoji})\P{Emoji_Presentation}(?![\uFE0F\p{EMod}])/gv;
/** Most texts in English: NFC is the same, no emoji, and each character counts 1. */
const ascii = /^\p{ASCII}*$/u;
const invalidCharacters = /[\uFFFE\uFEFF\uFFFF]/;

/** twitter-text's configuration 3: these code points count 1, all others 2. */
const lightRanges = [
  [0, 4351],
  [8192, 8205],
  [8208, 8223],
  [8242, 8247],
] as const;
const linkWeight = 23;

/**
 * Counts as X does (docs.x.com, Counting characters): twitter-text's rules, with today's emoji.
 * `max` is the account's limit: 280, or more for Premium.
 */
export function weightedLength(text: string, { max = plainMax }: { max?: number } = {}): WeightedText {
  const countable = ascii.test(text) ? text : withKnownEmoji(text.normalize('NFC'));
  const links = findLinks(countable);
  let length = links.length * linkWeight;
  let at = 0;
  for (const { start, end } of links) {
    length += weigh(countable.slice(at, start));
    at = end;
  }
  length += weigh(countable.slice(at));
  return {
    weightedLength: length,
    max,
    valid: length > 0 && length <= max && !invalidCharacters.test(text),
  };
}

function weigh(text: string): number {
  if (ascii.test(text)) return text.length;
  let weight = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    weight += lightRanges.some(([first, last]) => codePoint >= first && codePoint <= last) ? 1 : 2;
  }
  return weight;
}

/** twitter-text's emoji table ends in 2019: a newer sequence would count once for each of its parts. */
function withKnownEmoji(text: string): string {
  return text
    .replace(joinedEmoji, (joined) =>
      // Keyboards leave U+FE0F out of sequences, and X does not mind.
      onlyEmoji.test(joined.replace(withoutPresentation, '$&\uFE0F')) ? standIn : joined,
    )
    .replace(emoji, standIn);
}
