import { once } from 'node:events';
import { expect, test } from 'vitest';
import { failure } from '../../test/failure.ts';
import { createXApi } from './client.ts';
import { XAnswerError, XUnreachableError } from './errors.ts';
import { type Answer, startX } from './test-x.ts';

test('a tweet is created with exactly the fields that were set', async () => {
  await using s = await startX({ status: 201, body: { data: { id: '12', text: 'hi https://t.co/a' } } });
  expect(await s.x.createTweet({ text: 'hi', mediaIds: [], poll: undefined }, s.call)).toEqual({
    id: '12',
    text: 'hi https://t.co/a',
  });
  const [{ line, headers, body } = expect.fail()] = s.seen;
  expect(line).toBe('POST /2/tweets');
  expect(headers).toMatchObject({
    authorization: 'Bearer token-1',
    'content-type': 'application/json',
  });
  expect(JSON.parse(body)).toEqual({ text: 'hi' });
});

test('a tweet is created over a connection of its own, which is closed with the answer', async () => {
  await using s = await startX({ status: 201, body: { data: { id: '12' } } });
  await s.x.createTweet({ text: 'one' }, s.call);
  await s.seen[0]?.closed;
});

test('every field of a draft has its name at X', async () => {
  await using s = await startX({ status: 201, body: { data: { id: '12' } } });
  const draft = {
    text: 'a',
    mediaIds: ['1', '2'],
    replyTo: '3',
    quoteOf: '4',
    poll: { options: ['x', 'y'], durationMinutes: 5 },
    replySettings: 'following',
    communityId: '5',
    madeWithAi: true,
    paidPartnership: false,
  };
  await s.x.createTweet(draft, s.call);
  expect(JSON.parse(s.seen[0]?.body ?? '')).toEqual({
    text: 'a',
    media: { media_ids: ['1', '2'] },
    reply: { in_reply_to_tweet_id: '3' },
    quote_tweet_id: '4',
    poll: { options: ['x', 'y'], duration_minutes: 5 },
    reply_settings: 'following',
    community_id: '5',
    made_with_ai: true,
    paid_partnership: false,
  });
});

test.each<[string, Answer]>([
  ['empty', { status: 201 }],
  ['HTML', { status: 200, body: '<html>' }],
  ['without an id', { status: 201, body: { data: {} } }],
  ['with an id that is none', { status: 201, body: { data: { id: 'abc' } } }],
  ['null', { status: 201, body: 'null' }],
  ['broken off', { status: 201, body: { data: { id: '12', text: 'a' } }, cutAfter: 9 }],
  [
    'of a wrong length',
    { status: 201, headers: { 'content-length': '9999' }, body: { data: {} }, cutAfter: 5 },
  ],
])('a 2xx that is %s means created, id unknown', async (_name, answer) => {
  await using s = await startX(answer);
  expect(await s.x.createTweet({ text: 'a' }, s.call)).toEqual({ id: null, text: null });
  expect(s.seen).toHaveLength(1);
});

test('a listener that throws does not cost the id of a tweet', async () => {
  await using s = await startX({ status: 201, body: { data: { id: '12' } } });
  const warned = once(process, 'warning');
  const observe = () => {
    throw new Error('listener broke');
  };
  expect(await s.x.createTweet({ text: 'a' }, { token: 't', observe })).toEqual({ id: '12', text: null });
  expect(String(await warned)).toContain('listener broke');
});

test.each([500, 502, 503, 408, 302])('%i to a create is told as it is and not repeated', async (status) => {
  await using s = await startX({
    status,
    body: '<html>down</html>',
    headers: { 'content-type': 'text/html' },
  });
  const error = await failure(s.x.createTweet({ text: 'a' }, s.call));
  expect(error).toBeInstanceOf(XAnswerError);
  expect(error).toMatchObject({ status, title: '', detail: '', type: '', code: null });
  expect(s.seen).toHaveLength(1);
});

test('every exchange is observed, with what X said about its limits', async () => {
  const headers = {
    'x-rate-limit-limit': '100',
    'x-rate-limit-remaining': '7',
    'x-rate-limit-reset': '1700000000',
    'x-user-limit-24hour-limit': '50',
    'x-user-limit-24hour-remaining': '0',
    'x-user-limit-24hour-reset': '1700001111',
    'x-app-limit-24hour-limit': '17',
    'x-app-limit-24hour-remaining': '16',
    'x-app-limit-24hour-reset': '1700002222',
    'x-transaction-id': 'abc',
    date: 'Tue, 14 Nov 2023 22:13:20 GMT',
  };
  const rateLimits = [
    { scope: 'user', limit: 100, remaining: 7, resetAt: 1_700_000_000_000 },
    { scope: 'user_24h', limit: 50, remaining: 0, resetAt: 1_700_001_111_000 },
    { scope: 'app_24h', limit: 17, remaining: 16, resetAt: 1_700_002_222_000 },
  ];
  await using s = await startX(
    { status: 201, headers, body: { data: { id: '1' } } },
    { status: 429, headers: { ...headers, 'retry-after': '30' } },
  );
  await s.x.createTweet({ text: 'a' }, s.call);
  const error = await failure(s.x.deleteTweet('1', s.call));
  const facts = { rateLimits, date: 1_700_000_000_000, transactionId: 'abc' };
  expect(s.exchanges).toMatchObject([
    { endpoint: 'create_tweet', status: 201, ...facts },
    { endpoint: 'delete_tweet', status: 429, ...facts },
  ]);
  expect(error).toMatchObject({ status: 429, retryAfterMs: 30_000, ...facts });
});

test('a failure to reach X is observed too', async () => {
  const s = await startX();
  await s[Symbol.asyncDispose]();
  await using x = createXApi({ apiUrl: 'http://127.0.0.1:1' });
  const error = await failure(x.createTweet({ text: 'a' }, s.call));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({ sent: false });
  expect(s.exchanges).toMatchObject([{ endpoint: 'create_tweet', status: null, rateLimits: [] }]);
});

test.each<[string, unknown, object]>([
  [
    'a problem of today',
    {
      title: 'UsageCapExceeded',
      detail: 'Usage cap exceeded',
      type: 'https://api.x.com/2/problems/usage-capped',
      status: 429,
    },
    {
      title: 'UsageCapExceeded',
      detail: 'Usage cap exceeded',
      type: 'usage-capped',
      code: null,
      messages: [],
    },
  ],
  [
    'a problem of before',
    { title: 'Client Forbidden', type: 'https://api.twitter.com/2/problems/client-forbidden' },
    { title: 'Client Forbidden', detail: '', type: 'client-forbidden' },
  ],
  ['about:blank', { title: 'Forbidden', detail: 'Forbidden', type: 'about:blank' }, { type: 'about:blank' }],
  [
    'a list of errors',
    {
      title: 'Invalid Request',
      type: '',
      errors: [{ message: 'one', parameters: { a: ['b'] } }, { message: 'two' }],
    },
    { title: 'Invalid Request', detail: 'one', messages: ['one', 'two'], code: null },
  ],
  [
    'the legacy form',
    { errors: [{ code: 88, message: 'Rate limit exceeded' }] },
    { code: 88, detail: 'Rate limit exceeded', messages: ['Rate limit exceeded'] },
  ],
  ['one line of text', 'media type unrecognized', { detail: 'media type unrecognized', title: '' }],
  ['HTML', '<!doctype html><title>x</title>', { detail: '', title: '' }],
  ['nothing', '', { detail: '', title: '', messages: [] }],
  ['something else', [1, 2], { title: '', messages: [] }],
  [
    'wrong types',
    { title: 5, detail: {}, errors: 'no', type: null },
    { title: '', detail: '', messages: [] },
  ],
  ['null errors', { errors: [null, { message: 'x' }] }, { messages: ['x'] }],
  [
    'credits',
    {
      account_id: 1,
      title: 'CreditsDepleted',
      detail: 'No credits',
      type: 'https://api.twitter.com/2/problems/credits',
    },
    { title: 'CreditsDepleted', type: 'credits' },
  ],
])('%s is understood as an error', async (_name, body, expected) => {
  await using s = await startX({ status: 400, body });
  expect(await failure(s.x.deleteTweet('1', s.call))).toMatchObject({
    status: 400,
    oauthError: null,
    ...expected,
  });
});

test("X's words are made plain and short before anybody sees them", async () => {
  const detail = `line one\r\nX-Evil: 1\u0000\u001b[31m\u202Ereversed\u2028${'x'.repeat(5000)}`;
  await using s = await startX({
    status: 403,
    body: { title: 'a', detail, errors: Array(100).fill({ message: 'm' }) },
  });
  const error = await failure(s.x.deleteTweet('1', s.call));
  if (!(error instanceof XAnswerError)) throw error;
  expect(error.detail).toMatch(/^line one X-Evil: 1 \[31m reversed x+$/);
  expect(error.detail.length).toBe(500);
  expect(error.messages).toHaveLength(10);
});
