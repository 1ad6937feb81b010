import type { XRateLimit } from './errors.ts';

/** The calls we make, named as X's rate limits tell them apart. */
export type XEndpoint =
  | 'users_me'
  | 'user_tweets'
  | 'create_tweet'
  | 'delete_tweet'
  | 'initialize'
  | 'append'
  | 'finalize'
  | 'media_status'
  | 'media_metadata';

/** One request and what came of it, as told to `observe` for every answer and every failure. */
export interface XExchange {
  readonly endpoint: XEndpoint;
  /** null: no answer. */
  readonly status: number | null;
  /** When the answer had come, or was given up, epoch ms by our clock. */
  readonly at: number;
  readonly durationMs: number;
  readonly rateLimits: readonly XRateLimit[];
  /** X's clock, epoch ms. */
  readonly date: number | null;
  readonly transactionId: string | null;
  /** Of a refusal, the last path segment of the problem's type, as in `usage-capped`, or ''. */
  readonly problem?: string | undefined;
  /** `Retry-After` of a refusal. */
  readonly retryAfterMs?: number | null | undefined;
}

/** What every call carries. */
export interface XCall {
  /** X access token of the account. */
  readonly token: string;
  readonly signal?: AbortSignal | undefined;
  /** Called once per exchange, before the call settles. */
  readonly observe?: ((exchange: XExchange) => void) | undefined;
}

export interface XUser {
  readonly id: string;
  readonly username: string;
  readonly name: string;
  /** None, Basic, Premium, PremiumPlus; null when X does not say. */
  readonly subscriptionType: string | null;
}

export type MediaCategory = 'tweet_image' | 'tweet_gif' | 'tweet_video';

export interface XUpload {
  readonly mediaType: string;
  readonly mediaCategory: MediaCategory;
  readonly totalBytes: number;
}

export interface XInitializedUpload {
  readonly mediaId: string;
  readonly mediaKey: string | null;
  /** Epoch ms by our clock. */
  readonly expiresAt: number | null;
}

export interface XProcessing {
  readonly state: 'pending' | 'in_progress' | 'succeeded' | 'failed';
  /** When X wants to be asked again. */
  readonly checkAfterMs: number | null;
  readonly progressPercent: number | null;
  /** X's words; an error ends the wait in any state. */
  readonly error: string | null;
}

export interface XMediaStatus extends XInitializedUpload {
  /** null: nothing to wait for, the media is ready. */
  readonly processing: XProcessing | null;
}

export interface TweetDraft {
  readonly text?: string | undefined;
  readonly mediaIds?: readonly string[] | undefined;
  /** Id of the tweet that this one answers. */
  readonly replyTo?: string | undefined;
  readonly quoteOf?: string | undefined;
  readonly poll?: { readonly options: readonly string[]; readonly durationMinutes: number } | undefined;
  readonly replySettings?: string | undefined;
  readonly communityId?: string | undefined;
  readonly madeWithAi?: boolean | undefined;
  readonly paidPartnership?: boolean | undefined;
}

/** A tweet as X lists it; `text` is HTML-escaped and has t.co links. */
export interface XTweet {
  readonly id: string;
  readonly text: string;
  /** Epoch ms by X's clock. */
  readonly createdAt: number;
  readonly mediaKeys: readonly string[];
  readonly replyTo: string | null;
  readonly quoteOf: string | null;
  readonly urls: readonly { readonly url: string; readonly expandedUrl: string }[];
  /** The whole text of a long post, whose `text` is cut. */
  readonly noteText: string | null;
  readonly conversationId: string | null;
}

/**
 * X's API v2 as we use it. Every call fails with XAnswerError (X said no) or XUnreachableError (no answer),
 * or with the signal's reason where the call may still be given up.
 */
export interface XApi extends AsyncDisposable {
  me(call: XCall): Promise<XUser>;
  initializeUpload(media: XUpload, call: XCall): Promise<XInitializedUpload>;
  /** `segmentIndex` from 0; repeating a segment replaces it. */
  appendSegment(mediaId: string, segmentIndex: number, bytes: Uint8Array, call: XCall): Promise<void>;
  finalizeUpload(mediaId: string, call: XCall): Promise<XMediaStatus>;
  mediaStatus(mediaId: string, call: XCall): Promise<XMediaStatus>;
  setAltText(mediaId: string, altText: string, call: XCall): Promise<void>;
  /**
   * Sends exactly one request, never a second. Any 2xx is success; `id` null: created, but X did not say as what.
   * The signal counts only until the request leaves: afterwards the answer is awaited.
   */
  createTweet(
    draft: TweetDraft,
    call: XCall,
  ): Promise<{ readonly id: string | null; readonly text: string | null }>;
  deleteTweet(tweetId: string, call: XCall): Promise<void>;
  /** Own tweets newer than `sinceId`, newest first, all pages. */
  recentTweets(userId: string, query: { readonly sinceId: string }, call: XCall): Promise<readonly XTweet[]>;
}
