import { z } from 'zod';
import type { UserCall } from './endpoints.ts';
import type { Media } from './media-store.ts';
import { forbidden, invalidRequest } from './refusals.ts';
import type { User } from './settings.ts';
import type { State } from './state.ts';
import type { Tweet } from './tweet-book.ts';
import { countCashtags, countText, findMentions, findUrls } from './tweet-text.ts';

const id = z.string().regex(/^[0-9]{1,19}$/);

/** The body of `POST /2/tweets` as X's API document has it: nothing else may be in it. */
export const CreateRequest = z.strictObject({
  text: z.string().optional(),
  media: z
    .strictObject({
      media_ids: z.array(id).min(1).max(4),
      tagged_user_ids: z.array(id).max(10).optional(),
      title: z.string().optional(),
      description: z.string().optional(),
      embeddable: z.boolean().optional(),
      preview_media_id: id.optional(),
      call_to_actions: z.unknown().optional(),
    })
    .optional(),
  poll: z
    .strictObject({
      options: z.array(z.string().min(1).max(25)).min(2).max(4),
      duration_minutes: z.int().min(5).max(10_080),
      reply_settings: z.enum(['following', 'mentionedUsers', 'subscribers', 'verified']).optional(),
    })
    .optional(),
  reply: z
    .strictObject({
      in_reply_to_tweet_id: id,
      exclude_reply_user_ids: z.array(id).optional(),
      auto_populate_reply_metadata: z.boolean().optional(),
    })
    .optional(),
  quote_tweet_id: id.optional(),
  reply_settings: z.enum(['following', 'mentionedUsers', 'subscribers', 'verified']).optional(),
  made_with_ai: z.boolean().optional(),
  paid_partnership: z.boolean().optional(),
  for_super_followers_only: z.boolean().optional(),
  nullcast: z.boolean().optional(),
  share_with_followers: z.boolean().optional(),
  community_id: id.optional(),
  geo: z.strictObject({ place_id: z.string().optional() }).optional(),
  card_uri: z.string().optional(),
  direct_message_deep_link: z.string().optional(),
  edit_options: z.strictObject({ previous_post_id: id }).optional(),
});
export type CreateRequest = z.infer<typeof CreateRequest>;

/** Everything X checks before a post exists; throws the refusal of the first rule that is broken. */
export function checkCreate(state: State, call: UserCall, request: CreateRequest): readonly Media[] {
  const text = request.text ?? '';
  const exclusive = [
    request.poll, request.quote_tweet_id, request.direct_message_deep_link, request.media, request.card_uri,
  ]; // biome-ignore format: one list
  if (exclusive.filter((field) => field !== undefined).length > 1)
    throw invalidRequest(
      'You can only provide one of poll or quote_tweet_id or direct_message_deep_link or media or card_uri.',
    );
  if (text.trim() === '' && !request.media && request.card_uri === undefined)
    throw invalidRequest('Please include either text or media in your Tweet.');
  const parent = checkReply(state, call.user, request.reply?.in_reply_to_tweet_id);
  checkText(call.user, text, parent && state.users.get(parent.authorId));
  checkCryptoAddress(state, call, text);
  checkAllowed(state, call.user, request);
  const media = checkMedia(state, call.user, request.media?.media_ids ?? []);
  if (isDuplicate(state, call.user, text, request.media?.media_ids ?? []))
    throw forbidden('You are not allowed to create a Tweet with duplicate content.');
  return media;
}

function checkText(user: User, text: string, repliedTo: User | null | undefined): void {
  if (findUrls(text).some(({ url }) => url.length > 4_096))
    throw invalidRequest('The Tweet contains an invalid URL.');
  // The mention that a reply begins with is not counted.
  const lead = repliedTo ? `@${repliedTo.username} ` : '';
  const counted =
    lead !== '' && text.toLowerCase().startsWith(lead.toLowerCase()) ? text.slice(lead.length) : text;
  const { weightedLength, isValid } = countText(counted);
  const limit = user.subscriptionType === 'None' ? 280 : 25_000;
  if (!isValid || weightedLength > limit) throw forbidden('You are not permitted to perform this action.');
  if (countCashtags(text) > 1) throw forbidden('You are not permitted to perform this action.');
}

function checkCryptoAddress(state: State, call: UserCall, text: string): void {
  const isNew = call.signedInAt + 7 * 24 * 3_600_000 > state.settings.now();
  if (isNew && /\b(0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{38,58})\b/.test(text))
    throw forbidden('Crypto addresses are prohibited for the first 7 days after authentication.');
}

function checkAllowed(state: State, user: User, request: CreateRequest): void {
  const isPremium = user.subscriptionType !== 'None';
  const quoted = request.quote_tweet_id;
  if (quoted !== undefined && !state.settings.quotesAllowed)
    throw forbidden('You are not permitted to perform this action.');
  if (quoted !== undefined && !state.tweets.find(quoted))
    throw invalidRequest('The Tweet you are trying to quote does not exist.', { quote_tweet_id: [quoted] });
  const wantsPremium =
    request.edit_options !== undefined ||
    request.for_super_followers_only === true ||
    request.reply_settings === 'subscribers' ||
    request.nullcast === true;
  if (wantsPremium && !isPremium) throw forbidden('Your account is not permitted to access this feature.');
  const edited = request.edit_options?.previous_post_id;
  if (edited !== undefined && state.tweets.find(edited)?.authorId !== user.id)
    throw forbidden('You are not permitted to perform this action.');
}

function checkReply(state: State, user: User, parentId: string | undefined): Tweet | null {
  if (parentId === undefined) return null;
  const parent = state.tweets.find(parentId);
  const { now, replyLagMs, replyRule } = state.settings;
  if (!parent || parent.createdAt + replyLagMs > now()) {
    const message = 'You attempted to reply to a Tweet that is deleted or not visible to you.';
    throw forbidden(message, { errors: [{ code: 385, message }] });
  }
  const quotesUser = parent.quoteOf !== null && state.tweets.find(parent.quoteOf)?.authorId === user.id;
  const invited =
    parent.authorId === user.id ||
    quotesUser ||
    findMentions(parent.text).includes(user.username.toLowerCase());
  if (replyRule && !invited)
    throw forbidden(
      'Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged by the author of the post you are replying to.',
    );
  return parent;
}

function checkMedia(state: State, user: User, mediaIds: readonly string[]): readonly Media[] {
  const media = mediaIds.map((mediaId) => state.media.get(mediaId));
  const known = media.filter((one) => one !== null);
  const isPostable = (one: Media) =>
    state.media.mayPost(one, user.id) && /^(tweet_|amplify_)/.test(one.category);
  const isImage = (one: Media) => one.category === 'tweet_image';
  const mixes = known.length > 1 && !known.every(isImage);
  const repeats = new Set(mediaIds).size !== mediaIds.length;
  if (known.length !== media.length || !known.every(isPostable) || mixes || repeats)
    throw invalidRequest('Your media IDs are invalid.', { 'media.media_ids': [`[${mediaIds.join(',')}]`] });
  const { maxPostedVideoSeconds } = state.settings;
  if (known.some(({ sniffed }) => (sniffed?.durationMs ?? 0) > maxPostedVideoSeconds * 1000))
    throw forbidden(
      `This user is not allowed to post a video longer than ${Math.floor(maxPostedVideoSeconds / 60)} minutes.`,
    );
  return known;
}

function isDuplicate(state: State, user: User, text: string, mediaIds: readonly string[]): boolean {
  const { duplicateRule, now } = state.settings;
  if (duplicateRule === false || text.trim() === '') return false;
  const meant = text.normalize('NFC').trim();
  const dayAgo = now() - 24 * 3_600_000;
  return state.tweets.existing(user.id).some((tweet) => {
    const hasSameText = tweet.createdAt > dayAgo && tweet.text.normalize('NFC').trim() === meant;
    const hasSameMedia = tweet.mediaIds.join() === mediaIds.join();
    return hasSameText && (duplicateRule === true || hasSameMedia);
  });
}
