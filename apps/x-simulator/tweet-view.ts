import { renderPostedMedia } from './media-view.ts';
import { readList } from './query.ts';
import type { State } from './state.ts';
import type { Tweet } from './tweet-book.ts';
import { renderEntities } from './tweet-text.ts';
import { renderUser } from './users.ts';

/** What X's API document calls the edit history, before or since 2.167. */
export function editHistoryName(state: State): string {
  return `edit_history_${state.settings.fieldNames}_ids`;
}

/** Posts with the fields asked for, and what they refer to in `includes` as far as `expansions` asks. */
export function renderTweets(
  state: State,
  tweets: readonly Tweet[],
  query: URLSearchParams,
): { data: readonly Record<string, unknown>[]; includes: Record<string, unknown> | null } {
  // Either name is understood, and so is either name of the fields that were renamed with it.
  const fields = readList(query, 'tweet.fields', 'post.fields').map((name) => name.replace(/post/, 'tweet'));
  const expansions = readList(query, 'expansions');
  const media = tweets.flatMap(({ mediaIds }) => mediaIds.map((id) => state.media.get(id)));
  const users = new Set(tweets.map(({ authorId }) => state.users.get(authorId)));
  const referenced = tweets
    .flatMap(({ replyTo, quoteOf }) => [replyTo, quoteOf])
    .map((id) => state.tweets.find(id ?? ''));
  const { fieldNames } = state.settings;
  const all: Record<string, unknown[]> = {
    media: expansions.includes('attachments.media_keys')
      ? media
          .filter((one) => one !== null)
          .map((one) =>
            renderPostedMedia(state, one, readList(query, 'media.fields'), 'https://pbs.twimg.com'),
          )
      : [],
    users: expansions.includes('author_id')
      ? [...users]
          .filter((user) => user !== undefined)
          .map((user) => renderUser(user, readList(query, 'user.fields')))
      : [],
    polls: expansions.includes('attachments.poll_ids') ? tweets.flatMap(renderPoll) : [],
    [`${fieldNames}s`]: expansions.some((name) => /^referenced_(tweets|posts)\.id$/.test(name))
      ? referenced.filter((tweet) => tweet !== null).map((tweet) => renderTweet(state, tweet, fields))
      : [],
  };
  const includes = Object.fromEntries(Object.entries(all).filter(([, list]) => list.length > 0));
  return {
    data: tweets.map((tweet) => renderTweet(state, tweet, fields, expansions)),
    includes: Object.keys(includes).length > 0 ? includes : null,
  };
}

function renderTweet(
  state: State,
  tweet: Tweet,
  fields: readonly string[],
  expansions: readonly string[] = [],
): Record<string, unknown> {
  const asked = new Set([
    ...fields,
    ...expansions.map((name) => name.split('.')[0]?.replace('post', 'tweet')),
  ]);
  const chosen = Object.entries(optionalFields(state, tweet))
    .filter(([name, value]) => asked.has(name) && value !== undefined)
    .map(([name, value]) => [name.replace('tweet', state.settings.fieldNames), value]);
  return {
    id: tweet.id,
    text: tweet.shownText,
    [editHistoryName(state)]: tweet.editHistory,
    ...Object.fromEntries(chosen),
  };
}

/** What X shows of a post only when asked; undefined where there is nothing to show. */
function optionalFields(state: State, tweet: Tweet): Record<string, unknown> {
  const mediaKeys = tweet.mediaIds.map((id) =>
    state.settings.postMediaKey(state.media.get(id)?.mediaKey ?? ''),
  );
  const attachments = {
    ...(mediaKeys.length > 0 ? { media_keys: mediaKeys } : {}),
    ...(tweet.poll ? { poll_ids: [pollId(tweet)] } : {}),
  };
  const references = [
    ...(tweet.replyTo === null ? [] : [{ type: 'replied_to', id: tweet.replyTo }]),
    ...(tweet.quoteOf === null ? [] : [{ type: 'quoted', id: tweet.quoteOf }]),
  ];
  const entities = renderEntities(tweet.shownText, tweet.links);
  const { noteText } = tweet;
  return {
    author_id: tweet.authorId,
    created_at: new Date(tweet.createdAt).toISOString(),
    conversation_id: tweet.conversationId,
    in_reply_to_user_id: state.tweets.find(tweet.replyTo ?? '')?.authorId,
    reply_settings: tweet.extra.reply_settings ?? 'everyone',
    lang: 'en',
    attachments: Object.keys(attachments).length > 0 ? attachments : undefined,
    entities: Object.keys(entities).length > 0 ? entities : undefined,
    referenced_tweets: references.length > 0 ? references : undefined,
    note_tweet:
      noteText === null ? undefined : { text: noteText, entities: renderEntities(noteText, tweet.links) },
  };
}

function renderPoll(tweet: Tweet): object[] {
  if (!tweet.poll) return [];
  const options = tweet.poll.options.map((label, index) => ({ position: index + 1, label, votes: 0 }));
  return [{ id: pollId(tweet), options, duration_minutes: tweet.poll.durationMinutes }];
}

/** Polls have ids of their own at X; here they follow their post's. */
function pollId(tweet: Tweet): string {
  return (BigInt(tweet.id) + 1n).toString();
}
