import { readJsonObject } from './body.ts';
import { prices } from './credits.ts';
import type { UserCall, UserEndpoint } from './endpoints.ts';
import { readId } from './guard.ts';
import type { Media } from './media-store.ts';
import { checkQuery } from './query.ts';
import { forbidden, notFoundBody, Refusal, type Reply } from './refusals.ts';
import { parseRequest } from './schema.ts';
import type { State } from './state.ts';
import type { Tweet } from './tweet-book.ts';
import { CreateRequest, checkCreate } from './tweet-rules.ts';
import { countText, findUrls, shorten, showText, truncateText } from './tweet-text.ts';
import { editHistoryName, renderTweets } from './tweet-view.ts';
import { fieldParameters } from './users.ts';

/** `/2/tweets` (x-api/posts): create, read one, delete. */
export function createTweetEndpoints(state: State): readonly UserEndpoint[] {
  const writes = ['tweet.read', 'tweet.write', 'users.read'];
  return [
    { key: 'POST /2/tweets', scopes: writes, handle: (call) => create(state, call) },
    { key: 'GET /2/tweets/:id', scopes: ['tweet.read', 'users.read'], handle: (call) => read(state, call) },
    { key: 'DELETE /2/tweets/:id', scopes: writes, handle: (call) => remove(state, call) },
  ];
}

function create(state: State, call: UserCall): Reply {
  const request = parseRequest(CreateRequest, readJsonObject(call));
  state.credits.charge(call.clientId, 0);
  const media = checkCreate(state, call, request);
  state.credits.charge(call.clientId, priceOf(request));
  const tweet = buildTweet(state, call, request, media);
  const edited = state.tweets.find(request.edit_options?.previous_post_id ?? '');
  if (edited) state.tweets.delete(edited);
  for (const one of media) one.isPosted = true;
  state.tweets.add(tweet);
  const data = { id: tweet.id, text: tweet.shownText, [editHistoryName(state)]: tweet.editHistory };
  return { status: 201, body: { data } };
}

function priceOf(request: CreateRequest): number {
  if (findUrls(request.text ?? '').length > 0) return prices.postWithUrl;
  return request.reply ? prices.summonedReply : prices.post;
}

function buildTweet(state: State, call: UserCall, request: CreateRequest, media: readonly Media[]): Tweet {
  const { text = '', media: _media, poll, reply, quote_tweet_id, edit_options, ...extra } = request;
  const id = state.nextId();
  const status = `https://x.com/${call.user.username}/status/${id}`;
  const quoted = state.tweets.find(quote_tweet_id ?? '');
  const quotedAuthor = quoted && state.users.get(quoted.authorId);
  const trailing = [
    ...media
      .slice(0, 1)
      .map((first) =>
        shorten(`${status}/${first.category.endsWith('video') ? 'video' : 'photo'}/1`, first.mediaKey),
      ),
    ...(quoted ? [shorten(`https://x.com/${quotedAuthor?.username ?? 'i'}/status/${quoted.id}`)] : []),
  ];
  const { shown, links } = showText(text, trailing);
  const isLong = countText(text).weightedLength > 280;
  const parent = state.tweets.find(reply?.in_reply_to_tweet_id ?? '');
  const more = shorten(status);
  return {
    id,
    authorId: call.user.id,
    clientId: call.clientId,
    text,
    shownText: isLong ? truncateText(text, more) : shown,
    noteText: isLong ? shown : null,
    links: isLong ? [...links, more] : links,
    createdAt: state.settings.now(),
    mediaIds: media.map((one) => one.id),
    poll: poll ? { options: poll.options, durationMinutes: poll.duration_minutes } : null,
    replyTo: parent?.id ?? null,
    quoteOf: quoted?.id ?? null,
    conversationId: parent?.conversationId ?? id,
    editHistory: [...(state.tweets.find(edit_options?.previous_post_id ?? '')?.editHistory ?? []), id],
    extra,
    requestNumber: call.record.number,
    deletedAt: null,
  };
}

function read(state: State, call: UserCall): Reply {
  const id = readId(call);
  checkQuery(call.query, fieldParameters);
  const tweet = state.tweets.find(id);
  if (!tweet || !state.tweets.isVisible(tweet)) return missing(state, id);
  state.credits.charge(call.clientId, prices.readPost);
  const { data, includes } = renderTweets(state, [tweet], call.query);
  return { status: 200, body: { data: data[0], ...(includes ? { includes } : {}) } };
}

function remove(state: State, call: UserCall): Reply {
  const id = readId(call);
  const tweet = state.tweets.find(id);
  if (!tweet) throw new Refusal({ status: 404, body: notFoundBody('tweet', id, state.settings.problemHost) });
  if (tweet.authorId !== call.user.id) throw forbidden('You are not authorized to delete this Tweet.');
  state.credits.charge(call.clientId, prices.deletePost);
  state.tweets.delete(tweet);
  return { status: 200, body: { data: { deleted: true } } };
}

function missing(state: State, id: string): Reply {
  const { missingAnswer, problemHost } = state.settings;
  return { status: missingAnswer, body: notFoundBody('tweet', id, problemHost) };
}
