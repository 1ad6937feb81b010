import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

let now = Date.UTC(2026, 10, 21);
let simulator: Simulator;
let ada: RawClient;
let path: string;

beforeEach(async () => {
  simulator = await startSimulator({ now: () => now });
  ada = createRawClient(simulator.url, simulator.signIn().access_token);
  path = `/2/users/${simulator.state.findUser('sandbox_ada')?.id}/tweets`;
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

async function postMany(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const { json } = await ada.post('/2/tweets', { text: `Post ${index}` });
    ids.unshift(String(pick(json, 'data', 'id')));
    now += 1_000;
  }
  return ids;
}

const idsOf = (json: unknown) => {
  const data = pick(json, 'data');
  return Array.isArray(data) ? data.map((tweet) => pick(tweet, 'id')) : [];
};

test('an empty timeline has no data', async () => {
  expect((await ada.get(path)).json).toEqual({ meta: { result_count: 0 } });
});

test('pages follow each other, newest first, back and forth', async () => {
  const ids = await postMany(12);
  const first = await ada.get(`${path}?max_results=5`);
  expect(idsOf(first.json)).toEqual(ids.slice(0, 5));
  expect(pick(first.json, 'meta')).toMatchObject({ result_count: 5, newest_id: ids[0], oldest_id: ids[4] });
  const token = pick(first.json, 'meta', 'next_token');
  const second = await ada.get(`${path}?max_results=5&pagination_token=${token}`);
  expect(idsOf(second.json)).toEqual(ids.slice(5, 10));
  const last = await ada.get(
    `${path}?max_results=5&pagination_token=${pick(second.json, 'meta', 'next_token')}`,
  );
  expect(idsOf(last.json)).toEqual(ids.slice(10));
  expect(pick(last.json, 'meta')).not.toHaveProperty('next_token');
});

test('since_id, until_id and times bound the timeline; the bounds are left out', async () => {
  const start = now;
  const ids = await postMany(4);
  expect(idsOf((await ada.get(`${path}?since_id=${ids[2]}`)).json)).toEqual(ids.slice(0, 2));
  expect(idsOf((await ada.get(`${path}?until_id=${ids[2]}`)).json)).toEqual(ids.slice(3));
  const from = new Date(start + 1_000).toISOString();
  expect(idsOf((await ada.get(`${path}?start_time=${from}`)).json)).toEqual(ids.slice(0, 3));
  expect(idsOf((await ada.get(`${path}?end_time=${from}`)).json)).toEqual(ids.slice(3));
});

test('fields and expansions come only when asked for, under either name', async () => {
  const { json } = await ada.post('/2/tweets', {
    text: 'See https://example.com/a?b=1&c=2 #tag @sandbox_ben',
  });
  const id = pick(json, 'data', 'id');
  const plain = await ada.get(path);
  expect(pick(plain.json, 'data', 0)).toEqual({ id, text: expect.any(String), edit_history_post_ids: [id] });
  const query = 'tweet.fields=created_at,entities,conversation_id,referenced_tweets,author_id';
  const reply = await ada.post('/2/tweets', { text: 'More', reply: { in_reply_to_tweet_id: id } });
  const rich = await ada.get(`${path}?${query}`);
  expect(pick(rich.json, 'data', 0)).toMatchObject({
    id: pick(reply.json, 'data', 'id'),
    conversation_id: id,
    referenced_posts: [{ type: 'replied_to', id }],
  });
  const text = String(pick(rich.json, 'data', 1, 'text'));
  const url = pick(rich.json, 'data', 1, 'entities', 'urls', 0);
  expect(url).toMatchObject({ expanded_url: 'https://example.com/a?b=1&c=2' });
  expect(text.slice(Number(pick(url, 'start')), Number(pick(url, 'end')))).toBe(pick(url, 'url'));
  expect(pick(rich.json, 'data', 1, 'created_at')).toBe(new Date(now).toISOString());
  simulator.state.settings.fieldNames = 'tweet';
  const old = await ada.get(`${path}?post.fields=referenced_posts&exclude=retweets`);
  expect(pick(old.json, 'data', 0)).toHaveProperty('referenced_tweets');
  expect(idsOf((await ada.get(`${path}?exclude=replies`)).json)).toEqual([id]);
});

test('a new post shows late when the timeline lags', async () => {
  simulator.state.settings.timelineLagMs = 5_000;
  const [id] = await postMany(1);
  expect(idsOf((await ada.get(path)).json)).toEqual([]);
  expect((await ada.get(`/2/tweets/${id}`)).json).not.toHaveProperty('data');
  now += 4_000;
  expect(idsOf((await ada.get(path)).json)).toEqual([id]);
});

test.each([
  'max_results=4',
  'max_results=101',
  'max_results=x',
  'since_id=x',
  'start_time=yesterday',
  'pagination_token=zz',
  'exclude=ads',
  'page=2',
  'user.fields=shoe_size',
])('%s is refused', async (query) => {
  const { status, json } = await ada.get(`${path}?${query}`);
  expect(status).toBe(400);
  expect(json).toMatchObject({ title: 'Invalid Request', errors: [{ parameters: expect.anything() }] });
});

test('an unknown user is reported as X does', async () => {
  const { status, json } = await ada.get('/2/users/1/tweets');
  expect([status, pick(json, 'errors', 0, 'resource_type')]).toEqual([200, 'user']);
});

test('rate limits count per user and endpoint, say so, and start anew', async () => {
  simulator.state.settings.rateLimits = { 'GET /2/users/me': { user: { limit: 2, windowMs: 900_000 } } };
  const me = () => ada.get('/2/users/me');
  const first = await me();
  expect(first.headers.get('x-rate-limit-limit')).toBe('2');
  expect(first.headers.get('x-rate-limit-remaining')).toBe('1');
  await me();
  const third = await me();
  expect(third).toMatchObject({ status: 429, json: { title: 'Too Many Requests', type: 'about:blank' } });
  expect(third.headers.get('x-rate-limit-remaining')).toBe('0');
  const ben = createRawClient(simulator.url, simulator.signIn('sandbox_ben').access_token);
  expect((await ben.get('/2/users/me')).status).toBe(200);
  expect((await ada.get(path)).status).toBe(200);
  now = Number(third.headers.get('x-rate-limit-reset')) * 1000;
  expect((await me()).status).toBe(200);
  simulator.state.settings.rateLimitBody = 'legacy';
  await me();
  expect((await me()).json).toEqual({ errors: [{ code: 88, message: 'Rate limit exceeded' }] });
});

test('an app limit is shared by its users, and the day limits have headers of their own', async () => {
  const { headers } = await ada.post('/2/tweets', { text: 'Counted' });
  expect(headers.get('x-app-limit-24hour-limit')).toBe('10000');
  expect(headers.get('x-user-limit-24hour-remaining')).toBe('2399');
  expect(headers.get('x-rate-limit-remaining')).toBe('99');
  simulator.state.settings.rateLimits = { 'POST /2/tweets': { app: { limit: 1, windowMs: 86_400_000 } } };
  await ada.post('/2/tweets', { text: 'Last' });
  const ben = createRawClient(simulator.url, simulator.signIn('sandbox_ben').access_token);
  expect((await ben.post('/2/tweets', { text: 'Too late' })).status).toBe(429);
});

test('an app pays for what it does until its credits are gone', async () => {
  simulator.state.settings.creditsUsd = 0.02;
  expect((await ada.post('/2/tweets', { text: 'Paid' })).status).toBe(201);
  expect(simulator.state.credits.left('sandbox-client')).toBe(0.005);
  const { status, json } = await ada.post('/2/tweets', { text: 'Unpaid' });
  expect(status).toBe(402);
  expect(json).toMatchObject({
    title: 'CreditsDepleted',
    type: 'https://api.x.com/2/problems/credits',
    account_id: expect.any(String),
  });
  simulator.state.credits.set('sandbox-client', 1);
  expect((await ada.post('/2/tweets', { text: 'See example.com' })).status).toBe(201);
  expect(simulator.state.credits.left('sandbox-client')).toBe(0.8);
  simulator.state.credits.set('sandbox-client', 0);
  expect((await ada.post('/2/media/upload/1/finalize', {})).status).toBe(402);
});

test('each answer has a transaction id and the date of the simulated clock', async () => {
  const { headers } = await ada.get('/2/users/me?user.fields=subscription_type');
  expect(headers.get('x-transaction-id')).toMatch(/^[0-9a-f]{16}$/);
  expect(Date.parse(headers.get('date') ?? '')).toBe(Math.floor(now / 1000) * 1000);
});
