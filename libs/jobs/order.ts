import { createHash } from 'node:crypto';

/** Where one media item comes from. */
export type MediaSource =
  | { readonly kind: 'url'; readonly url: string }
  /** A file of a ChatGPT conversation: `url` lives five minutes, `fileId` stays the same in a repeated call. */
  | { readonly kind: 'file'; readonly fileId: string; readonly url: string }
  /** Uploaded before with `POST /media`. */
  | { readonly kind: 'upload'; readonly mediaId: string };

/** One post on X as it was asked for: the first of the order, or one of its thread. */
export interface PostOrder {
  readonly text: string | null;
  readonly media: readonly MediaSource[];
  /** In the order of `media`; shorter or empty when some have none. */
  readonly altTexts: readonly string[];
}

export const replySettings = ['following', 'mentionedUsers', 'subscribers', 'verified'] as const;

/** What was asked for: everything that decides what will stand on X, and when. Times are epoch ms. */
export interface Order {
  /** The first post, then its thread: each a reply to the one before. */
  readonly posts: readonly [PostOrder, ...PostOrder[]];
  readonly replyTo: string | null;
  readonly quoteOf: string | null;
  readonly poll: { readonly options: readonly string[]; readonly durationMinutes: number } | null;
  readonly replySettings: (typeof replySettings)[number] | null;
  readonly communityId: string | null;
  readonly madeWithAi: boolean | null;
  readonly paidPartnership: boolean | null;
  readonly publishAt: number | null;
  readonly expiresAt: number | null;
}

/** Every media item of the order, thread included, in posting order, with the post that it belongs to. */
export function mediaOf(order: Order): { source: MediaSource; post: number; altText: string | null }[] {
  return order.posts.flatMap((post, index) =>
    post.media.map((source, item) => ({ source, post: index, altText: post.altTexts[item] || null })),
  );
}

/**
 * SHA-256 (base64url) over what the order means: two requests with the same fingerprint ask for the same post.
 * A conversation file counts by its id, because its link differs in every call.
 */
export function fingerprintOf(order: Order): string {
  const meaning = {
    ...order,
    posts: order.posts.map((post) => ({
      text: post.text?.normalize('NFC') ?? null,
      altTexts: post.altTexts.map((altText) => altText.normalize('NFC')),
      media: post.media.map((source) => (source.kind === 'file' ? { fileId: source.fileId } : source)),
    })),
  };
  return createHash('sha256').update(canonicalJson(meaning)).digest('base64url');
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, child]) => `${JSON.stringify(name)}:${canonicalJson(child)}`).join(',')}}`;
}
