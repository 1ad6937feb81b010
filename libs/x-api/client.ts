import { XUnreachableError } from './errors.ts';
import { multipart } from './multipart.ts';
import { createAgent } from './request.ts';
import { createSend, postJson, read, type Send } from './send.ts';
import {
  toCreatedTweet,
  toInitializedUpload,
  toMediaStatus,
  toTimeline,
  toTweetBody,
  toUser,
} from './wire.ts';
import type { XApi, XExchange, XTweet } from './x-api.ts';

export type * from './x-api.ts';

/** Each for one request in all, from connecting to the last byte of the answer. */
export interface XTimeouts {
  readonly requestMs: number;
  /** One segment of an upload. */
  readonly appendMs: number;
  readonly createMs: number;
}

const defaultTimeouts: XTimeouts = { requestMs: 30_000, appendMs: 120_000, createMs: 30_000 };
/** X lists the newest 3,200 tweets of a user in pages of 100. */
const maxPages = 33;
const tweetFields = 'created_at,attachments,entities,note_tweet,referenced_tweets,conversation_id';

/** Opens a client of X at `apiUrl`, as in `https://api.x.com`. Dispose of it to close its connections. */
export function createXApi(options: {
  readonly apiUrl: string;
  readonly timeouts?: Partial<XTimeouts> | undefined;
  readonly now?: (() => number) | undefined;
  /** Told of every exchange, before the `observe` of its call. */
  readonly observe?: ((exchange: XExchange) => void) | undefined;
}): XApi {
  const { apiUrl, now = Date.now } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const agent = createAgent();
  const send = createSend({ apiUrl, agent, timeoutMs: timeouts.requestMs, observe: options.observe });
  return {
    ...mediaCalls(send, timeouts, now),
    ...tweetCalls(send, timeouts),
    async me(call) {
      const path = 'users/me?user.fields=subscription_type';
      return read(await send('users_me', call, { method: 'GET', path }), toUser);
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function mediaCalls(send: Send, { appendMs }: XTimeouts, now: () => number) {
  const upload = (mediaId: string, step: string) => `media/upload/${encodeURIComponent(mediaId)}/${step}`;
  return {
    async initializeUpload(media, call) {
      const body = {
        media_type: media.mediaType,
        total_bytes: media.totalBytes,
        media_category: media.mediaCategory,
      };
      const response = await send('initialize', call, postJson('media/upload/initialize', body));
      return read(response, (text) => toInitializedUpload(text, now()));
    },
    async appendSegment(mediaId, segmentIndex, bytes, call) {
      const { body, headers } = multipart(segmentIndex, bytes);
      const path = upload(mediaId, 'append');
      await send('append', call, { method: 'POST', path, body, headers, timeoutMs: appendMs });
    },
    async finalizeUpload(mediaId, call) {
      // Without a body X has refused it.
      const response = await send('finalize', call, postJson(upload(mediaId, 'finalize'), {}));
      return read(response, (text) => toMediaStatus(text, mediaId, now()));
    },
    async mediaStatus(mediaId, call) {
      const path = `media/upload?command=STATUS&media_id=${encodeURIComponent(mediaId)}`;
      const response = await send('media_status', call, { method: 'GET', path });
      return read(response, (text) => toMediaStatus(text, mediaId, now()));
    },
    async setAltText(mediaId, altText, call) {
      const body = { id: mediaId, metadata: { alt_text: { text: altText } } };
      await send('media_metadata', call, postJson('media/metadata', body));
    },
  } satisfies Partial<XApi>;
}

function tweetCalls(send: Send, { createMs }: XTimeouts) {
  return {
    async createTweet(draft, call) {
      const response = await send('create_tweet', call, {
        ...postJson('tweets', toTweetBody(draft)),
        // A connection of its own.
        agent: undefined,
        onceSentAwaitAnswer: true,
        timeoutMs: createMs,
      });
      return response.cut ? { id: null, text: null } : toCreatedTweet(response.body.toString('utf8'));
    },
    async deleteTweet(tweetId, call) {
      const path = `tweets/${encodeURIComponent(tweetId)}`;
      await send('delete_tweet', call, { method: 'DELETE', path });
    },
    async recentTweets(userId, { sinceId }, call) {
      const tweets: XTweet[] = [];
      let page: string | null = null;
      for (let pages = 0; pages < maxPages; pages++) {
        const path = timelinePath(userId, sinceId, page);
        const timeline = read(await send('user_tweets', call, { method: 'GET', path }), toTimeline);
        tweets.push(...timeline.tweets);
        page = timeline.nextToken;
        if (page === null) return tweets;
      }
      throw new XUnreachableError('X lists tweets without end', { sent: true });
    },
  } satisfies Partial<XApi>;
}

function timelinePath(userId: string, sinceId: string, page: string | null): string {
  const query = new URLSearchParams({
    since_id: sinceId,
    max_results: '100',
    exclude: 'retweets',
    'tweet.fields': tweetFields,
    expansions: 'attachments.media_keys',
    ...(page === null ? {} : { pagination_token: page }),
  });
  return `users/${encodeURIComponent(userId)}/tweets?${query}`;
}
