import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

const notPermitted = { detail: 'You are not permitted to perform this action.' };
let now = Date.UTC(2026, 10, 21);
let simulator: Simulator;
let ada: RawClient;
let ben: RawClient;
let cleo: RawClient;

beforeEach(async () => {
  simulator = await startSimulator({ now: () => now });
  const as = (user: string) => createRawClient(simulator.url, simulator.signIn(user).access_token);
  [ada, ben, cleo] = [as('sandbox_ada'), as('sandbox_ben'), as('sandbox_cleo')];
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

async function created(client: RawClient, body: object): Promise<string> {
  const { status, json } = await client.post('/2/tweets', body);
  expect({ status, json }).toMatchObject({ status: 201 });
  return String(pick(json, 'data', 'id'));
}

const messages = (json: unknown) => {
  const errors = pick(json, 'errors');
  return Array.isArray(errors) ? errors.map((error) => pick(error, 'message')) : [];
};

test('ids carry the time, increase, and the answer names the edit history', async () => {
  const first = await created(ada, { text: 'One' });
  const second = await created(ada, { text: 'Two' });
  expect(Number(BigInt(first) >> 22n) + 1_288_834_974_657).toBe(now);
  expect(BigInt(second)).toBeGreaterThan(BigInt(first));
  const { json } = await ada.post('/2/tweets', { text: 'Three' });
  expect(json).toEqual({
    data: { id: expect.any(String), text: 'Three', edit_history_post_ids: [expect.any(String)] },
  });
  simulator.state.settings.fieldNames = 'tweet';
  expect((await ada.post('/2/tweets', { text: 'Four' })).json).toHaveProperty('data.edit_history_tweet_ids');
});

test.each([
  [{ text: 'x', colour: 'red' }, '$.colour: is not defined in the schema and the schema does not allow additional properties'],
  [{ text: 7 }, '$.text: integer found, string expected'],
  [{ text: 'x', reply: {} }, '$.reply.in_reply_to_tweet_id: is missing but it is required'],
  [{ text: 'x', media: { media_ids: [] } }, '$.media.media_ids: there must be a minimum of 1 items in the array'],
  [{ text: 'x', media: { media_ids: ['a'] } }, expect.stringContaining('does not match the regex pattern')],
  [{ text: 'x', reply_settings: 'nobody' }, '$.reply_settings: does not have a value in the enumeration [following, mentionedUsers, subscribers, verified]'],
  [{ text: 'x', poll: { options: ['a', 'b'] } }, '$.poll.duration_minutes: is missing but it is required'],
  [{ text: 'x', poll: { options: ['a'], duration_minutes: 5 } }, '$.poll.options: there must be a minimum of 2 items in the array'],
  [{ text: 'x', poll: { options: ['a', 'b'.repeat(26)], duration_minutes: 5 } }, '$.poll.options[1]: may only be 25 characters long'],
  [{ text: 'x', poll: { options: ['a', 'b'], duration_minutes: 4 } }, '$.poll.duration_minutes: must have a minimum value of 5'],
  [{ text: 'x', poll: { options: ['a', 'b'], duration_minutes: 5 }, media: { media_ids: ['1'] } }, 'You can only provide one of poll or quote_tweet_id or direct_message_deep_link or media or card_uri.'],
  [{}, 'Please include either text or media in your Tweet.'],
  [{ text: '  ' }, 'Please include either text or media in your Tweet.'],
  [{ text: 'x', media: { media_ids: ['123'] } }, 'Your media IDs are invalid.'],
])('%j is refused', async (body, message) => {
  const { status, headers, json } = await ada.post('/2/tweets', body);
  expect(status).toBe(400);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(json).toMatchObject({ title: 'Invalid Request', type: 'https://api.x.com/2/problems/invalid-request' });
  expect(messages(json)).toEqual([message]);
}); // biome-ignore format: a table

test('a body must be a JSON object and say so', async () => {
  const json = { 'content-type': 'application/json' };
  expect(messages((await ada.post('/2/tweets', '[]', json)).json)).toEqual([
    'Request body must be a JSON object.',
  ]);
  expect(messages((await ada.post('/2/tweets', '{', json)).json)).toEqual([
    'Request body is not valid JSON.',
  ]);
  expect(messages((await ada.post('/2/tweets', 'text=x')).json)).toEqual([
    'Requests with bodies must have content-type of application/json.',
  ]);
});

test.each([
  ['280 letters', 'a'.repeat(280), 201],
  ['281 letters', 'a'.repeat(281), 403],
  ['140 ideographs', '字'.repeat(140), 201],
  ['141 ideographs', '字'.repeat(141), 403],
  ['a long URL and 256 letters', `${'a'.repeat(256)} https://example.com/${'b'.repeat(200)}`, 201],
  ['a bare domain and 257 letters', `${'a'.repeat(257)} example.com`, 403],
  ['140 new emoji', '🐦‍🔥'.repeat(140), 201],
  ['141 new emoji', '🐦‍🔥'.repeat(141), 403],
  ['decomposed letters', 'e\u0301'.repeat(280), 201],
  ['a byte order mark', 'a\ufeffb', 403],
  ['two cashtags', '$AAA and $BBB', 403],
])('%s count as X counts', async (_name, text, status) => {
  const answer = await ada.post('/2/tweets', { text });
  expect(answer.status).toBe(status);
  if (status === 403) expect(answer.json).toMatchObject(notPermitted);
});

test('a Premium account posts long texts: the beginning shows, the note has all', async () => {
  const text = 'long & '.repeat(100).trim();
  const id = await created(cleo, { text });
  const { json } = await cleo.get(`/2/tweets/${id}?post.fields=note_post`);
  expect(pick(json, 'data', 'text')).toMatch(/^long &amp; .*… https:\/\/t\.co\/\w{10}$/s);
  expect(pick(json, 'data', 'note_post', 'text')).toBe(text.replaceAll('&', '&amp;'));
  expect((await ada.post('/2/tweets', { text })).status).toBe(403);
});

test('the same text again is a duplicate until it is deleted, or the rule is off', async () => {
  const id = await created(ada, { text: 'Again' });
  const duplicate = { detail: 'You are not allowed to create a Tweet with duplicate content.', status: 403 };
  expect(await ada.post('/2/tweets', { text: 'Again ' })).toMatchObject({ status: 403, json: duplicate });
  await created(ben, { text: 'Again' });
  await ada.delete(`/2/tweets/${id}`);
  await created(ada, { text: 'Again' });
  simulator.state.settings.duplicateRule = false;
  await created(ada, { text: 'Again' });
});

test('a crypto address waits for a week after signing in', async () => {
  const text = `Send to 0x${'aB'.repeat(20)}`;
  const refusal = { detail: 'Crypto addresses are prohibited for the first 7 days after authentication.' };
  expect(await ada.post('/2/tweets', { text })).toMatchObject({ status: 403, json: refusal });
  simulator.state.settings.accessTokenSeconds = 30 * 86_400;
  const patient = createRawClient(simulator.url, simulator.signIn().access_token);
  now += 7 * 86_400_000;
  await created(patient, { text });
});

test('replies need a post that exists and an author who asked for it', async () => {
  const mine = await created(ada, { text: 'Mine' });
  await created(ada, { text: 'Mine too', reply: { in_reply_to_tweet_id: mine } });
  const reply = (id: string) => ({ text: `To ${id}`, reply: { in_reply_to_tweet_id: id } });
  const stranger = await created(ben, { text: 'Hello all' });
  expect(await ada.post('/2/tweets', reply(stranger))).toMatchObject({
    status: 403,
    json: { detail: expect.stringContaining('have not been mentioned or otherwise engaged') },
  });
  await created(ada, reply(await created(ben, { text: 'Hello @sandbox_Ada' })));
  await ben.delete(`/2/tweets/${stranger}`);
  expect(await ada.post('/2/tweets', reply(stranger))).toMatchObject({
    status: 403,
    json: { errors: [{ code: 385 }] },
  });
  simulator.state.settings.replyLagMs = 1_000;
  expect((await ada.post('/2/tweets', reply(await created(ada, { text: 'Fresh' })))).status).toBe(403);
});

test('quotes are refused to self-serve apps and work where they are allowed', async () => {
  const quoted = await created(ben, { text: 'Quote me' });
  const body = { text: 'Look', quote_tweet_id: quoted };
  expect(await ada.post('/2/tweets', body)).toMatchObject({ status: 403, json: notPermitted });
  simulator.state.settings.quotesAllowed = true;
  const id = await created(ada, body);
  const { json } = await ada.get(
    `/2/tweets/${id}?post.fields=referenced_posts&expansions=referenced_posts.id`,
  );
  expect(pick(json, 'data', 'referenced_posts')).toEqual([{ type: 'quoted', id: quoted }]);
  expect(pick(json, 'includes', 'posts', 0, 'id')).toBe(quoted);
});

test('Premium features are refused to others', async () => {
  const body = { text: 'Inner circle', reply_settings: 'subscribers' };
  const refusal = { detail: 'Your account is not permitted to access this feature.' };
  expect(await ada.post('/2/tweets', body)).toMatchObject({ status: 403, json: refusal });
  const id = await created(cleo, body);
  const edited = await created(cleo, { text: 'Edited', edit_options: { previous_post_id: id } });
  expect(simulator.state.tweets.find(edited)?.editHistory).toEqual([id, edited]);
  expect(simulator.state.tweets.find(id)).toBeNull();
});

test('a locked account cannot write', async () => {
  const user = simulator.state.findUser('sandbox_ada') ?? expect.fail();
  user.locked = true;
  expect(await ada.post('/2/tweets', { text: 'x' })).toMatchObject({
    status: 403,
    json: { detail: expect.stringContaining('temporarily locked') },
  });
  expect((await ada.get('/2/users/me')).status).toBe(200);
});

test('a post can be read and deleted, each only where that makes sense', async () => {
  const id = await created(ada, { text: 'Here today', made_with_ai: true });
  expect(simulator.state.tweets.find(id)?.extra).toEqual({ made_with_ai: true });
  expect((await ben.delete(`/2/tweets/${id}`)).status).toBe(403);
  expect((await ben.get(`/2/tweets/${id}`)).json).toMatchObject({ data: { id, text: 'Here today' } });
  expect((await ada.delete(`/2/tweets/${id}`)).json).toEqual({ data: { deleted: true } });
  expect((await ada.delete(`/2/tweets/${id}`)).status).toBe(404);
  const gone = await ada.get(`/2/tweets/${id}`);
  expect(gone.status).toBe(200);
  expect(gone.json).not.toHaveProperty('data');
  expect(pick(gone.json, 'errors', 0, 'type')).toBe('https://api.x.com/2/problems/resource-not-found');
  simulator.state.settings.missingAnswer = 404;
  expect((await ada.get(`/2/tweets/${id}`)).status).toBe(404);
  expect((await ada.get('/2/tweets/abc')).status).toBe(400);
  now += 1;
});
