import { hash } from 'node:crypto';

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

/** Whether nothing has to be prepared or waited for before it is sent. */
export function isReadyAtOnce({ posts, publishAt }: Order): boolean {
  return publishAt === null && posts.every(({ media }) => media.length === 0);
}

/**
 * SHA-256 (base64url) over what the order means: two requests with the same fingerprint ask for the same post.
 * A conversation file counts by its id, because its link differs in every call. Names stand in alphabetical order.
 */
export function fingerprintOf(order: Order): string {
  const { poll } = order;
  const meaning = {
    communityId: order.communityId,
    expiresAt: order.expiresAt,
    madeWithAi: order.madeWithAi,
    paidPartnership: order.paidPartnership,
    poll: poll && { durationMinutes: poll.durationMinutes, options: poll.options },
    posts: order.posts.map((post) => ({
      altTexts: post.altTexts.map((altText) => altText.normalize('NFC')),
      media: post.media.map(identityOf),
      text: post.text?.normalize('NFC') ?? null,
    })),
    publishAt: order.publishAt,
    quoteOf: order.quoteOf,
    replySettings: order.replySettings,
    replyTo: order.replyTo,
  } satisfies Record<keyof Order, unknown>;
  return hash('sha256', JSON.stringify(meaning), 'base64url');
}

function identityOf(source: MediaSource) {
  if (source.kind === 'file') return { fileId: source.fileId };
  return source.kind === 'url'
    ? { kind: source.kind, url: source.url }
    : { kind: source.kind, mediaId: source.mediaId };
}
