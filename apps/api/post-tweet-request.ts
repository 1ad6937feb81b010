import type { z } from 'zod';
import { type MediaSource, type Order, type PostOrder, replySettings } from '#libs/jobs/order.ts';
import type { FieldError } from '#libs/problem/problem.ts';
import { noSuchField, toFieldErrors } from './field-errors.ts';
import { pollFields, postFields, rawPoll, threadFields } from './post-tweet-schema.ts';
import { toTime } from './read-time.ts';

const mostFiles = 10;
const usedFiles = 4;

type Fields<T extends Record<string, z.ZodType>> = { [Name in keyof T]?: z.infer<T[Name]> };

interface Address {
  readonly field: string;
  readonly url: string;
}

/** A request as far as it could be read, with everything that is wrong with it. */
export interface ReadRequest {
  readonly order: Order;
  readonly requestId: string | null;
  readonly allowDuplicate: boolean;
  readonly waitSeconds: number;
  /** Where media is to be fetched, by the fields that say so. */
  readonly addresses: readonly Address[];
  /** Files of the conversation beyond those that a post can hold. */
  readonly unusedFiles: number;
  /** Wrong types and unknown names: the request is malformed (400). */
  readonly malformed: readonly FieldError[];
  /** Broken rules (422). */
  readonly broken: readonly FieldError[];
  /** Fields about which no rule can be judged, because of something malformed. */
  readonly undecided: ReadonlySet<string>;
}

/** Reads the body of `POST /postTweet`: what can be read is read, so that one answer names every wrong field. */
export function readPostTweetRequest(body: unknown): ReadRequest {
  const malformed: FieldError[] = [];
  const broken: FieldError[] = [];
  const given = readFields(body, { ...postFields, poll: rawPoll }, '', malformed);
  const addresses: Address[] = [];
  const files = toFiles(given.openaiFileIdRefs, broken, addresses);
  const first = toPost(given, '', { broken, addresses }, files);
  const thread = (given.thread ?? []).map((item, index) => {
    const at = `thread[${index}].`;
    return toPost(readFields(item, threadFields, at, malformed), at, { broken, addresses }, []);
  });
  if (thread.length > 25)
    broken.push({ field: 'thread', message: 'A thread has at most 25 posts after the first.' });
  const rule = (field: string, ok: boolean, message: string) => {
    if (!ok) broken.push({ field, message });
  };
  const wait = given.wait_seconds ?? 0;
  rule(
    'wait_seconds',
    Number.isInteger(wait) && wait >= 0 && wait <= 40,
    'Must be a whole number from 0 to 40.',
  );
  const id = given.request_id;
  rule(
    'request_id',
    id === undefined || (id.length >= 1 && id.length <= 255),
    'Must have 1 to 255 characters.',
  );
  const settings = replySettings.find((known) => known === given.reply_settings);
  rule(
    'reply_settings',
    given.reply_settings === undefined || settings !== undefined,
    `Must be one of ${replySettings.join(', ')}.`,
  );
  return {
    order: {
      posts: [first, ...thread],
      replyTo: given.reply_to_tweet_id ?? null,
      quoteOf: given.quote_tweet_id ?? null,
      poll: given.poll ? toPoll(given.poll, malformed) : null,
      replySettings: settings ?? null,
      communityId: given.community_id ?? null,
      madeWithAi: given.made_with_ai ?? null,
      paidPartnership: given.paid_partnership ?? null,
      publishAt: toTime('publish_at', given.publish_at, broken),
      expiresAt: toTime('expires_at', given.expires_at, broken),
    },
    requestId: id ?? null,
    allowDuplicate: given.allow_duplicate ?? false,
    waitSeconds: wait,
    addresses,
    unusedFiles: Math.max(0, (given.openaiFileIdRefs?.length ?? 0) - usedFiles),
    malformed,
    broken,
    undecided: undecidedFields([first, ...thread], malformed),
  };
}

/** "Text is required" and "more alt texts than media" are not known to be true where text or media could not be read. */
function undecidedFields(posts: readonly PostOrder[], malformed: readonly FieldError[]): Set<string> {
  const base = /^(?:thread\[\d+\]\.)?\w+/;
  const unread = new Set(malformed.flatMap(({ field }) => [field, base.exec(field)?.[0]]));
  const undecided = posts.flatMap((post, index) => {
    const at = index === 0 ? '' : `thread[${index - 1}].`;
    const isUnread = unread.has(at.slice(0, -1) || 'body') || unread.has(`${at}text`);
    const media = mediaFields.some((name) => unread.has(at + name));
    const isTextless = (post.text ?? '').trim() === '';
    return [
      ...(isUnread || (media && isTextless) ? [`${at}text`] : []),
      ...(media ? [`${at}alt_texts`] : []),
    ];
  });
  return new Set(undecided);
}

const mediaFields = ['media_url', 'media_urls', 'media_ids', 'openaiFileIdRefs'];

/** Reads each field by itself, so that one bad field hides no other; null means left out, as models send it. */
function readFields<T extends Record<string, z.ZodType>>(
  body: unknown,
  schemas: T,
  at: string,
  malformed: FieldError[],
): Fields<T> {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) {
    malformed.push({ field: at.slice(0, -1) || 'body', message: 'Must be a JSON object.' });
    return {};
  }
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    if (!schema) {
      malformed.push({ field: `${at}${name.slice(0, 60)}`, message: noSuchField });
      continue;
    }
    if (value === null) continue;
    const parsed = schema.safeParse(name === 'alt_texts' ? withoutHoles(value) : value);
    if (parsed.success) read[name] = parsed.data;
    else malformed.push(...toFieldErrors(parsed.error, at + name));
  }
  return read as Fields<T>;
}

/** An item without a description among others that have one. */
function withoutHoles(altTexts: unknown): unknown {
  return Array.isArray(altTexts) ? altTexts.map((altText) => altText ?? '') : altTexts;
}

/** What could not be read counts as something that breaks no rule. */
function toPoll(sent: unknown, malformed: FieldError[]): NonNullable<Order['poll']> {
  const given = readFields(sent, pollFields, 'poll.', malformed);
  const isNamed = (name: string) => malformed.some(({ field }) => field.startsWith(`poll.${name}`));
  for (const name of ['options', 'duration_minutes'] as const)
    if (given[name] === undefined && !isNamed(name))
      malformed.push({ field: `poll.${name}`, message: 'Is required.' });
  return { options: given.options ?? ['1', '2'], durationMinutes: given.duration_minutes ?? 5 };
}

function toPost(
  given: Fields<typeof threadFields>,
  at: string,
  { broken, addresses }: { readonly broken: FieldError[]; readonly addresses: Address[] },
  files: readonly MediaSource[],
): PostOrder {
  const urls = [
    ...(given.media_url === undefined ? [] : [{ field: `${at}media_url`, url: given.media_url }]),
    ...(given.media_urls ?? []).map((url, index) => ({ field: `${at}media_urls[${index}]`, url })),
  ];
  for (const { field, url } of urls) {
    if (isWebAddress(url)) addresses.push({ field, url });
    else broken.push({ field, message: 'Must be the https address of an image, GIF or video.' });
  }
  const media: MediaSource[] = [
    ...urls.map(({ url }) => ({ kind: 'url' as const, url })),
    ...files,
    ...(given.media_ids ?? []).map((mediaId) => ({ kind: 'upload' as const, mediaId })),
  ];
  return { text: given.text ?? null, media, altTexts: given.alt_texts ?? [] };
}

function toFiles(
  refs: z.infer<typeof postFields.openaiFileIdRefs> | undefined,
  broken: FieldError[],
  addresses: Address[],
): MediaSource[] {
  if (!refs) return [];
  if (refs.length > mostFiles) broken.push({ field: 'openaiFileIdRefs', message: 'At most 10 files.' });
  return refs.slice(0, usedFiles).map((ref, index) => {
    const field = `openaiFileIdRefs[${index}].download_link`;
    if (isWebAddress(ref.download_link)) addresses.push({ field, url: ref.download_link });
    else broken.push({ field, message: 'Must be an https address. Attach the file again.' });
    return { kind: 'file', fileId: ref.id || ref.download_link, url: ref.download_link };
  });
}

function isWebAddress(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && ['https:', 'http:'].includes(url.protocol) && value.length <= 2048;
}
