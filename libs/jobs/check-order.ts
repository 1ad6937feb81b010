import type { FieldError } from '#libs/problem/problem.ts';
import { countCashtags } from '#libs/x-api/count-cashtags.ts';
import { xLimits } from '#libs/x-api/limits.ts';
import { weightedLength } from '#libs/x-api/weighted-length.ts';
import type { Order, PostOrder } from './order.ts';

/** The same date and time a year later, epoch ms. */
const yearAfter = (now: number): number => {
  const then = new Date(now);
  return then.setUTCFullYear(then.getUTCFullYear() + 1);
};
/** Characters (code points) of the longest text that is looked at: `maxLength` in openapi.yaml. */
export const longestText = xLimits.text.maxWeightedLengthPremium;
const snowflake = /^\d{1,19}$/;

interface CheckContext {
  /** Epoch ms. */
  readonly now: number;
  /** The longest text of the account, in X's weighted characters: 280, more for Premium. */
  readonly maxWeightedLength: number;
  /** Media whose kind is known already, by the id of the upload. */
  readonly uploadKinds?: ReadonlyMap<string, 'image' | 'gif' | 'video'>;
}

/**
 * Every rule that can be judged before anything is fetched or queued, all broken ones at once (field paths as in the
 * request body). Rules: X API v2 "Create Post", "Counting characters", media best practices.
 */
export function checkOrder(order: Order, context: CheckContext): FieldError[] {
  return [
    ...order.posts.flatMap((post, index) => checkPost(post, index, order, context)),
    ...checkPoll(order),
    ...checkReferences(order),
    ...checkTimes(order, context.now),
  ];
}

function checkPost(post: PostOrder, index: number, order: Order, context: CheckContext): FieldError[] {
  const at = (field: string) => (index === 0 ? field : `thread[${index - 1}].${field}`);
  const errors: FieldError[] = [];
  const hasText = post.text !== null && post.text.trim() !== '';
  if (!hasText && post.media.length === 0)
    errors.push({ field: at('text'), message: 'Text is required unless there is media.' });
  if (hasText) errors.push(...checkText(post.text ?? '', at('text'), context));
  const tooMany = post.media[4];
  if (tooMany)
    errors.push({
      field: at(fieldsOfMedia[tooMany.kind]),
      message: 'X takes at most 4 images, or 1 GIF, or 1 video.',
    });
  if (post.altTexts.length > post.media.length)
    errors.push({ field: at('alt_texts'), message: 'There are more alt texts than media items.' });
  post.altTexts.forEach((altText, item) => {
    if ([...altText].length > 1000)
      errors.push({ field: at(`alt_texts[${item}]`), message: 'An alt text has at most 1000 characters.' });
  });
  if (index === 0 && post.media.length > 0 && order.poll)
    errors.push({ field: 'poll', message: 'A post has either a poll or media, not both.' });
  return [...errors, ...checkMix(post, at('media_ids'), context)];
}

/** Where a post says which media it has; a fifth URL cannot be the one of `media_url`. */
const fieldsOfMedia = { url: 'media_urls', file: 'openaiFileIdRefs', upload: 'media_ids' } as const;

function isBeyondAll(text: string): boolean {
  return text.length > longestText && (text.length > 2 * longestText || [...text].length > longestText);
}

function checkText(text: string, field: string, { maxWeightedLength: max }: CheckContext): FieldError[] {
  // Weighing takes time, and there is no account for which this could be short enough.
  if (isBeyondAll(text))
    return [{ field, message: `The text is too long: it has more than ${longestText} characters.` }];
  const { weightedLength: length, valid } = weightedLength(text, { max });
  const errors: FieldError[] = [];
  if (length > max)
    errors.push({
      field,
      message: `The text is too long: ${length} of at most ${max} characters as X counts them (a link counts 23, an emoji 2). Shorten it by ${length - max}.`,
    });
  // `valid` also covers characters that X refuses anywhere in a text (U+FFFE, U+FEFF, U+FFFF).
  else if (!valid) errors.push({ field, message: 'The text has characters that X does not take.' });
  const cashtags = countCashtags(text);
  if (cashtags > 1)
    errors.push({ field, message: `X takes one cashtag in a post, and there are ${cashtags}. Keep one.` });
  return errors;
}

/** What the media of URLs is shows only when it is fetched; that of uploads is known. */
function checkMix({ media }: PostOrder, field: string, { uploadKinds }: CheckContext): FieldError[] {
  if (media.length < 2) return [];
  const kinds = media.map((source) => source.kind === 'upload' && uploadKinds?.get(source.mediaId));
  const moving = kinds.find((kind) => kind === 'gif' || kind === 'video');
  if (!moving) return [];
  const name = moving === 'gif' ? 'a GIF' : 'a video';
  return [
    { field, message: `A post holds up to four images, or one GIF, or one video: ${name} goes alone.` },
  ];
}

function checkPoll({ poll }: Order): FieldError[] {
  if (!poll) return [];
  const errors: FieldError[] = [];
  if (poll.options.length < 2 || poll.options.length > 4)
    errors.push({ field: 'poll.options', message: 'A poll has 2 to 4 options.' });
  poll.options.forEach((option, index) => {
    const length = [...option.trim()].length;
    if (length < 1 || length > 25)
      errors.push({ field: `poll.options[${index}]`, message: 'A poll option has 1 to 25 characters.' });
  });
  if (new Set(poll.options.map((option) => option.trim())).size < poll.options.length)
    errors.push({ field: 'poll.options', message: 'The options of a poll must differ.' });
  if (poll.durationMinutes < 5 || poll.durationMinutes > 10_080)
    errors.push({ field: 'poll.duration_minutes', message: 'A poll runs 5 to 10080 minutes (7 days).' });
  return errors;
}

function checkReferences(order: Order): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, id: string | null) => {
    const what = field === 'community_id' ? 'community' : 'post';
    if (id !== null && !snowflake.test(id))
      errors.push({
        field,
        message: `Must be the numeric id of a ${what} (the digits at the end of its URL).`,
      });
  };
  check('reply_to_tweet_id', order.replyTo);
  check('quote_tweet_id', order.quoteOf);
  check('community_id', order.communityId);
  const first = order.posts[0];
  if (order.quoteOf !== null && (order.poll || first.media.length > 0))
    errors.push({ field: 'quote_tweet_id', message: 'A quote cannot have media or a poll as well.' });
  return errors;
}

function checkTimes({ publishAt, expiresAt }: Order, now: number): FieldError[] {
  const errors: FieldError[] = [];
  if (publishAt !== null && publishAt > yearAfter(now))
    errors.push({ field: 'publish_at', message: 'A post can be scheduled at most one year ahead.' });
  if (publishAt !== null && publishAt < now - 60_000)
    errors.push({ field: 'publish_at', message: 'This time has passed. Leave publish_at out to post now.' });
  if (expiresAt !== null && expiresAt <= now)
    errors.push({ field: 'expires_at', message: 'This time has passed.' });
  if (expiresAt !== null && publishAt !== null && expiresAt <= publishAt)
    errors.push({ field: 'expires_at', message: 'Must be later than publish_at.' });
  return errors;
}
