import { z } from 'zod';
import { parseJson, plain } from './answer.ts';
import { snowflakeTime } from './snowflake.ts';
import type { TweetDraft, XInitializedUpload, XMediaStatus, XProcessing, XTweet, XUser } from './x-api.ts';

/**
 * X's bodies. Only what we cannot do without is required; the rest may be missing, be null, or carry either of the
 * names that X has given it (`tweet` and `post`).
 */
const optionalText = z.string().nullable().catch(null);
const optionalNumber = z.coerce.number().nonnegative().nullable().catch(null);
const id = z.string().regex(/^\d{1,19}$/);

const UserBody = z.object({
  data: z.object({
    id,
    username: z.string().min(1),
    name: z.string().catch(''),
    subscription_type: optionalText,
  }),
});

const ProcessingBody = z.object({
  state: z.enum(['pending', 'in_progress', 'succeeded', 'failed']).catch('in_progress'),
  check_after_secs: z.number().nonnegative().nullable().catch(null),
  progress_percent: z.number().nonnegative().nullable().catch(null),
  error: z.unknown().optional(),
});

const MediaBody = z.object({
  data: z.object({
    id: id.optional().catch(undefined),
    media_key: optionalText,
    expires_after_secs: z.number().positive().nullable().catch(null),
    processing_info: ProcessingBody.nullish().transform((info) => info ?? null),
  }),
});

const CreatedBody = z.object({ data: z.object({ id, text: optionalText }) });

const UrlsBody = z
  .object({ urls: z.array(z.object({ url: z.string(), expanded_url: optionalText })).catch([]) })
  .catch({ urls: [] });
const NoteBody = z.object({ text: z.string(), entities: UrlsBody }).nullable().catch(null);
const ReferencesBody = z
  .array(z.object({ type: z.string(), id }))
  .nullable()
  .catch(null);

const TweetBody = z.object({
  id,
  text: z.string().catch(''),
  created_at: optionalText,
  conversation_id: optionalText,
  attachments: z.object({ media_keys: z.array(z.string()) }).catch({ media_keys: [] }),
  entities: UrlsBody,
  note_tweet: NoteBody,
  note_post: NoteBody,
  referenced_tweets: ReferencesBody,
  referenced_posts: ReferencesBody,
});

const TimelineBody = z.object({
  data: z.array(TweetBody).optional(),
  meta: z.object({ result_count: optionalNumber, next_token: optionalText }).optional(),
  errors: z.array(z.unknown()).optional(),
});

/** @throws ZodError when the body is not what it must at least be. */
export function toUser(body: string): XUser {
  const { id: userId, username, name, subscription_type } = UserBody.parse(parseJson(body)).data;
  return { id: userId, username, name: name || username, subscriptionType: subscription_type };
}

/** @throws ZodError when there is no media id. */
export function toInitializedUpload(body: string, now: number): XInitializedUpload {
  const { mediaId, mediaKey, expiresAt } = toMediaStatus(body, null, now);
  return { mediaId: id.parse(mediaId), mediaKey, expiresAt };
}

/** `askedFor`: the media id of the request, for answers that leave it out. @throws ZodError. */
export function toMediaStatus(body: string, askedFor: string | null, now: number): XMediaStatus {
  const { data } = MediaBody.parse(parseJson(body));
  return {
    mediaId: data.id ?? askedFor ?? '',
    mediaKey: data.media_key,
    expiresAt: data.expires_after_secs === null ? null : now + data.expires_after_secs * 1000,
    processing: data.processing_info && toProcessing(data.processing_info),
  };
}

function toProcessing(info: z.output<typeof ProcessingBody>): XProcessing {
  return {
    state: info.state,
    checkAfterMs: info.check_after_secs === null ? null : info.check_after_secs * 1000,
    progressPercent: info.progress_percent,
    error: toProcessingError(info.error),
  };
}

/** X does not specify it: seen as text and as `{ code, name, message }`. */
function toProcessingError(error: unknown): string | null {
  if (error === undefined || error === null) return null;
  if (typeof error === 'string') return plain(error) || 'unknown';
  const { message, name } = z
    .object({ message: optionalText, name: optionalText })
    .catch({ message: null, name: null })
    .parse(error);
  return plain(message ?? name ?? 'unknown');
}

/** Both null when the body cannot be read: the tweet exists all the same. */
export function toCreatedTweet(body: string): { id: string | null; text: string | null } {
  const created = CreatedBody.safeParse(parseJson(body));
  return created.success ? created.data.data : { id: null, text: null };
}

/**
 * One page of a timeline. A tweet that cannot be read fails the whole page, since a reader would take it for absent;
 * so does an answer of nothing but errors. @throws ZodError or Error.
 */
export function toTimeline(body: string): { tweets: XTweet[]; nextToken: string | null } {
  const { data, meta, errors } = TimelineBody.parse(parseJson(body));
  if (!data && (errors?.length || meta?.result_count !== 0))
    throw new Error('Neither tweets nor an empty list');
  return { tweets: (data ?? []).map(toTweet), nextToken: meta?.next_token || null };
}

function toTweet(tweet: z.output<typeof TweetBody>): XTweet {
  const note = tweet.note_tweet ?? tweet.note_post;
  const references = tweet.referenced_tweets ?? tweet.referenced_posts ?? [];
  const referenced = (type: string) => references.find((reference) => reference.type === type)?.id ?? null;
  const createdAt = tweet.created_at === null ? Number.NaN : Date.parse(tweet.created_at);
  return {
    id: tweet.id,
    text: tweet.text,
    createdAt: Number.isNaN(createdAt) ? snowflakeTime(tweet.id) : createdAt,
    mediaKeys: tweet.attachments.media_keys,
    replyTo: referenced('replied_to'),
    quoteOf: referenced('quoted'),
    urls: [...tweet.entities.urls, ...(note?.entities.urls ?? [])].map(({ url, expanded_url }) => ({
      url,
      expandedUrl: expanded_url ?? url,
    })),
    noteText: note?.text ?? null,
    conversationId: tweet.conversation_id,
  };
}

/** The body of `POST /2/tweets`, without what is not set: X refuses empty fields. */
export function toTweetBody(draft: TweetDraft): string {
  return JSON.stringify({
    text: draft.text || undefined,
    media: draft.mediaIds?.length ? { media_ids: draft.mediaIds } : undefined,
    reply: draft.replyTo ? { in_reply_to_tweet_id: draft.replyTo } : undefined,
    quote_tweet_id: draft.quoteOf,
    poll: draft.poll && { options: draft.poll.options, duration_minutes: draft.poll.durationMinutes },
    reply_settings: draft.replySettings,
    community_id: draft.communityId,
    made_with_ai: draft.madeWithAi,
    paid_partnership: draft.paidPartnership,
  });
}
