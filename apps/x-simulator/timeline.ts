import { prices } from './credits.ts';
import type { UserCall, UserEndpoint } from './endpoints.ts';
import { readId } from './guard.ts';
import { checkQuery, readList } from './query.ts';
import { invalidRequest, notFoundBody, type Reply } from './refusals.ts';
import { snowflakeAt } from './snowflake.ts';
import type { State } from './state.ts';
import type { Tweet } from './tweet-book.ts';
import { renderTweets } from './tweet-view.ts';
import { fieldParameters } from './users.ts';

const parameters = {
  ...fieldParameters,
  max_results: null,
  pagination_token: null,
  start_time: null,
  end_time: null,
  since_id: null,
  until_id: null,
  exclude: ['replies', 'retweets'],
} as const;

/** `GET /2/users/:id/tweets`: a user's posts, newest first. */
export function createTimelineEndpoints(state: State): readonly UserEndpoint[] {
  return [
    {
      key: 'GET /2/users/:id/tweets',
      scopes: ['tweet.read', 'users.read'],
      handle: (call) => readTimeline(state, call),
    },
  ];
}

function readTimeline(state: State, call: UserCall): Reply {
  const userId = readId(call);
  const { query } = call;
  checkQuery(query, parameters);
  const maxResults = readMaxResults(query);
  const [since, until] = readBounds(query);
  const before = readPage(query.get('pagination_token'));
  const { missingAnswer, problemHost } = state.settings;
  if (!state.users.has(userId))
    return { status: missingAnswer, body: notFoundBody('user', userId, problemHost) };
  const excludesReplies = readList(query, 'exclude').includes('replies');
  const matching = state.tweets.visible(userId).filter((tweet) => {
    const id = BigInt(tweet.id);
    return id > since && id < until && !(excludesReplies && tweet.replyTo !== null);
  });
  const rest = matching.filter((tweet) => before === null || BigInt(tweet.id) < before);
  const page = rest.slice(0, maxResults);
  state.credits.charge(call.clientId, page.length * prices.readPost);
  const { data, includes } = renderTweets(state, page, query);
  return {
    status: 200,
    body: {
      ...(page.length > 0 ? { data } : {}),
      ...(includes ? { includes } : {}),
      meta: renderMeta(page, rest.length > page.length, before !== null),
    },
  };
}

function renderMeta(page: readonly Tweet[], hasMore: boolean, hasBefore: boolean): Record<string, unknown> {
  const [newest, oldest] = [page[0], page.at(-1)];
  return {
    ...(newest && oldest ? { newest_id: newest.id, oldest_id: oldest.id } : {}),
    result_count: page.length,
    ...(hasMore && oldest ? { next_token: writePage(oldest.id) } : {}),
    ...(hasBefore && newest ? { previous_token: writePage((BigInt(newest.id) + 1n).toString()) } : {}),
  };
}

function readMaxResults(query: URLSearchParams): number {
  const given = query.get('max_results') ?? '10';
  const count = Number(given);
  if (/^\d{1,9}$/.test(given) && count >= 5 && count <= 100) return count;
  throw invalidRequest(`The \`max_results\` query parameter value [${given}] is not between 5 and 100`, {
    max_results: [given],
  });
}

/** Ids strictly between which the posts lie. */
function readBounds(query: URLSearchParams): readonly [bigint, bigint] {
  const since = [readIdParameter(query, 'since_id'), readTime(query, 'start_time', -1n)].filter(
    (id) => id !== null,
  );
  const until = [readIdParameter(query, 'until_id'), readTime(query, 'end_time', 0n)].filter(
    (id) => id !== null,
  );
  const newest = (a: bigint, b: bigint) => (a > b ? a : b);
  const oldest = (a: bigint, b: bigint) => (a < b ? a : b);
  return [since.reduce(newest, 0n), until.reduce(oldest, 2n ** 63n)];
}

function readIdParameter(query: URLSearchParams, name: string): bigint | null {
  const given = query.get(name);
  if (given === null) return null;
  if (!/^[0-9]{1,19}$/.test(given))
    throw invalidRequest(`The \`${name}\` query parameter value [${given}] is not a valid Tweet ID`, {
      [name]: [given],
    });
  return BigInt(given);
}

function readTime(query: URLSearchParams, name: string, shift: bigint): bigint | null {
  const given = query.get(name);
  if (given === null) return null;
  const isTime =
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(given) && !Number.isNaN(Date.parse(given));
  if (!isTime)
    throw invalidRequest(`The \`${name}\` query parameter value [${given}] is not a valid time`, {
      [name]: [given],
    });
  return snowflakeAt(Date.parse(given)) + shift;
}

/** A page's token stands for the id below which it goes on. */
function writePage(id: string): string {
  return Buffer.from(`before:${id}`).toString('hex');
}

function readPage(token: string | null): bigint | null {
  if (token === null) return null;
  const id = /^before:(\d{1,20})$/.exec(Buffer.from(token, 'hex').toString('utf8'))?.[1];
  if (id === undefined)
    throw invalidRequest(`The \`pagination_token\` query parameter value [${token}] is not valid`, {
      pagination_token: [token],
    });
  return BigInt(id);
}
