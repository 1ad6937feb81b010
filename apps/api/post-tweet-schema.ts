import { z } from 'zod';
import { replySettings } from '#libs/jobs/order.ts';

// Zod judges the types; what stands in `meta` describes the rules, which are judged with better words elsewhere.

const text = z
  .string('Must be a string.')
  .refine(
    (value) => value.isWellFormed() && !value.includes('\0'),
    'Must be valid Unicode text without NUL.',
  );
const texts = z.array(text, 'Must be an array of strings.');
const time = z.string('Must be a time as in 2026-11-22T09:00:00Z.');
const flag = z.boolean('Must be true or false.');
const link = z.string('The link to the file did not arrive. Attach the file again.');
const file = z.looseObject(
  { id: text.nullish(), name: text.nullish(), mime_type: text.nullish(), download_link: link },
  'The file did not arrive. Attach it again: it comes as an object with a download_link.',
);

const url = text.meta({ format: 'uri', maxLength: 2048 });
const tweetId = text.meta({ pattern: '^[0-9]{1,19}$' });
const altText = text.meta({ maxLength: 1000 });
const mediaId = text.meta({ minLength: 1, maxLength: 64 });
const list = (item: typeof text, maxItems: number, description: string) =>
  z.array(item, 'Must be an array of strings.').meta({ maxItems, description });

const media = {
  media_url: url.meta({
    format: 'uri',
    maxLength: 2048,
    description: 'Public https address of one image, GIF or video.',
  }),
  media_urls: list(url, 4, 'Public https addresses of up to four images, or of one GIF or video.'),
  media_ids: list(mediaId, 4, 'Ids of media uploaded before.'),
};

/** The fields of `ThreadItem` in openapi.yaml. */
export const threadFields = {
  text: text.meta({ maxLength: 25_000, description: 'The text, as in the first post.' }),
  ...media,
  alt_texts: list(altText, 4, 'Description of each media item, in order.'),
};

const pollWords = 'Must be an object with options and duration_minutes.';

/** The fields of `Poll` in openapi.yaml. */
export const pollFields = {
  options: texts.meta({
    minItems: 2,
    maxItems: 4,
    items: { type: 'string', minLength: 1, maxLength: 25 },
    description: 'What to choose from.',
  }),
  duration_minutes: z.int('Must be a whole number.').meta({
    minimum: 5,
    maximum: 10_080,
    description: 'How long it runs; 1440 is a day.',
  }),
};

/** A poll as it is sent: its fields are read one by one. */
export const rawPoll = z.record(z.string(), z.unknown(), pollWords);

/** The fields of `PostTweetRequest` in openapi.yaml. */
export const postFields = {
  ...threadFields,
  text: text.meta({
    maxLength: 25_000,
    description:
      'The text, at most 280 characters as X counts them (a link counts 23, an emoji 2); more for Premium accounts. At most one cashtag. Required unless there is media.',
  }),
  openaiFileIdRefs: z.array(file, 'Must be an array of files.'),
  alt_texts: list(
    altText,
    4,
    'Description of each media item for people who cannot see it, in the order of the media.',
  ),
  thread: z.array(z.unknown(), 'Must be an array of posts.').meta({
    maxItems: 25,
    description: 'Posts that follow the first one, each a reply to the one before.',
  }),
  reply_to_tweet_id: tweetId.meta({
    pattern: '^[0-9]{1,19}$',
    description:
      'Id of the post to reply to. X allows it only if its author mentioned or quoted the account.',
  }),
  quote_tweet_id: tweetId.meta({
    pattern: '^[0-9]{1,19}$',
    description: 'Id of the post to quote. X allows it only to Enterprise customers.',
  }),
  poll: z
    .strictObject(pollFields, pollWords)
    .meta({ description: 'A poll. It cannot be combined with media or a quote.' }),
  reply_settings: text.meta({
    enum: [...replySettings],
    description: 'Who may reply. Everyone, if left out.',
  }),
  community_id: tweetId.meta({
    pattern: '^[0-9]{1,19}$',
    description: 'Id of the X community to post in.',
  }),
  made_with_ai: flag.meta({ description: 'The media was made with AI; X labels the post.' }),
  paid_partnership: flag.meta({ description: 'The post is a paid partnership; X labels it.' }),
  publish_at: time.meta({
    format: 'date-time',
    description: 'Post at this time, at most a year ahead, with its offset, as in 2026-11-22T09:00:00Z.',
  }),
  expires_at: time.meta({
    format: 'date-time',
    description: 'Do not post after this moment. The job then fails with expired.',
  }),
  request_id: text.meta({
    minLength: 1,
    maxLength: 255,
    description:
      'A new random id for each post that the user wants. If a call brought no answer, repeat it with the same id and content.',
  }),
  allow_duplicate: flag.meta({
    default: false,
    description:
      'Post even though the same content was posted within the last 10 minutes. Only if the user asks.',
  }),
  wait_seconds: z.number('Must be a number.').meta({
    type: 'integer',
    minimum: 0,
    maximum: 40,
    default: 0,
    description: 'Hold the answer until the job ends or this many seconds have passed. 25 is good in a chat.',
  }),
};

/** A JSON Schema (2020-12) as data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a caller that reads JSON Schema may send as a post: the same fields, as `openapi.yaml` writes them down. */
export function postSchema(): JsonSchema & { readonly properties: JsonSchema } {
  const thread = {
    ...toJson(postFields.thread),
    items: objectSchema(threadFields, 'One post of a thread. It needs text or media.'),
  };
  const { openaiFileIdRefs: _, ...others } = postFields;
  const schema = objectSchema(
    others,
    'A post. It needs text or media. A field that is null counts as left out.',
  );
  return { ...schema, properties: { ...schema.properties, thread } };
}

/** A closed object of optional fields. */
function objectSchema(fields: Readonly<Record<string, z.ZodType>>, description: string) {
  const properties: JsonSchema = Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => [name, toJson(schema)]),
  );
  return { type: 'object', additionalProperties: false, description, properties };
}

function toJson(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' });
  return json;
}
