import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createXApi, type XExchange } from './client.ts';
import { XAnswerError, XUnreachableError } from './errors.ts';

interface Seen {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Answer = { status?: number; headers?: Record<string, string>; body?: unknown; cutAfter?: number };

/** An X that gives the scripted answers in order, and a client of it. */
async function startX(...answers: Answer[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const line = `${request.method} ${request.url}`;
    seen.push({ line, headers: request.headers, body: Buffer.concat(chunks).toString('latin1') });
    const { status = 200, headers = {}, body = '', cutAfter } = answers.shift() ?? { status: 599 };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    if (cutAfter === undefined) response.end(text);
    else response.write(text.slice(0, cutAfter), () => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const apiUrl = `http://127.0.0.1:${port}`;
  const x = createXApi({ apiUrl, now: () => 1_000_000 });
  const exchanges: XExchange[] = [];
  const call = { token: 'token-1', observe: (exchange: XExchange) => exchanges.push(exchange) };
  return {
    x,
    seen,
    exchanges,
    call,
    async [Symbol.asyncDispose]() {
      await x[Symbol.asyncDispose]();
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error,
  );

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
    connection: 'close',
  });
  expect(JSON.parse(body)).toEqual({ text: 'hi' });
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

test.each([200, 202])('INITIALIZE names the media, answered with %i', async (status) => {
  await using s = await startX({
    status,
    body: { data: { id: '9', media_key: '7_9', expires_after_secs: 60 } },
  });
  const media = { mediaType: 'video/mp4', mediaCategory: 'tweet_video', totalBytes: 12 } as const;
  expect(await s.x.initializeUpload(media, s.call)).toEqual({
    mediaId: '9',
    mediaKey: '7_9',
    expiresAt: 1_060_000,
  });
  expect(s.seen[0]?.line).toBe('POST /2/media/upload/initialize');
  expect(JSON.parse(s.seen[0]?.body ?? '')).toEqual({
    media_type: 'video/mp4',
    total_bytes: 12,
    media_category: 'tweet_video',
  });
});

test('INITIALIZE needs no more than an id, and no less', async () => {
  await using s = await startX({ body: { data: { id: '9' } } }, { body: { data: {} } });
  const media = { mediaType: 'image/png', mediaCategory: 'tweet_image', totalBytes: 12 } as const;
  expect(await s.x.initializeUpload(media, s.call)).toEqual({
    mediaId: '9',
    mediaKey: null,
    expiresAt: null,
  });
  expect(await failure(s.x.initializeUpload(media, s.call))).toBeInstanceOf(XUnreachableError);
});

test.each<Answer>([{ status: 204 }, { body: { data: { expires_at: 5 } } }])(
  'APPEND sends the segment as multipart, answered with %j',
  async (answer) => {
    await using s = await startX(answer);
    const bytes = Uint8Array.from([0, 13, 10, 255, 45, 45]);
    await s.x.appendSegment('9', 3, bytes, s.call);
    const [{ line, headers, body } = expect.fail()] = s.seen;
    expect(line).toBe('POST /2/media/upload/9/append');
    const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(headers['content-type'] ?? '')?.[1];
    expect(headers['content-length']).toBe(String(body.length));
    expect(headers['transfer-encoding']).toBeUndefined();
    expect(body.split('\r\n')).toEqual([
      `--${boundary}`,
      'Content-Disposition: form-data; name="segment_index"',
      '',
      '3',
      `--${boundary}`,
      'Content-Disposition: form-data; name="media"; filename="segment"',
      'Content-Type: application/octet-stream',
      '',
      '\0',
      '\xff--',
      `--${boundary}--`,
      '',
    ]);
  },
);

test('FINALIZE sends an empty object; without processing_info the media is ready', async () => {
  await using s = await startX({
    status: 201,
    body: { data: { id: '9', media_key: '3_9', expires_after_secs: 86_400 } },
  });
  expect(await s.x.finalizeUpload('9', s.call)).toEqual({
    mediaId: '9',
    mediaKey: '3_9',
    expiresAt: 1_000_000 + 86_400_000,
    processing: null,
  });
  expect(s.seen[0]).toMatchObject({ line: 'POST /2/media/upload/9/finalize', body: '{}' });
});

test.each<[string, object, object]>([
  [
    'pending',
    { state: 'pending', check_after_secs: 2 },
    { state: 'pending', checkAfterMs: 2000, error: null },
  ],
  [
    'in progress',
    { state: 'in_progress', progress_percent: 42 },
    { state: 'in_progress', checkAfterMs: null, progressPercent: 42 },
  ],
  ['succeeded', { state: 'succeeded' }, { state: 'succeeded', error: null }],
  [
    'failed with a reason',
    { state: 'failed', error: { code: 1, name: 'InvalidMedia', message: 'Unsupported video format' } },
    { state: 'failed', error: 'Unsupported video format' },
  ],
  ['failed without a reason', { state: 'failed' }, { state: 'failed', error: null }],
  ['failed with a name', { state: 'failed', error: { name: 'InvalidMedia' } }, { error: 'InvalidMedia' }],
  ['an error as text', { state: 'in_progress', error: 'broken' }, { state: 'in_progress', error: 'broken' }],
  ['a new state', { state: 'dreaming' }, { state: 'in_progress' }],
])('STATUS %s is understood', async (_name, processing_info, expected) => {
  await using s = await startX({ body: { data: { id: '9', processing_info } } });
  expect((await s.x.mediaStatus('9', s.call)).processing).toMatchObject(expected);
  expect(s.seen[0]?.line).toBe('GET /2/media/upload?command=STATUS&media_id=9');
});

test('alt text goes to the metadata endpoint', async () => {
  await using s = await startX({ body: { data: { id: '9' } } });
  await s.x.setAltText('9', 'a cat', s.call);
  expect(s.seen[0]?.line).toBe('POST /2/media/metadata');
  expect(JSON.parse(s.seen[0]?.body ?? '')).toEqual({ id: '9', metadata: { alt_text: { text: 'a cat' } } });
});

test('the signed-in user comes with the subscription, if X tells', async () => {
  await using s = await startX(
    { body: { data: { id: '7', username: 'ada', name: 'Ada', subscription_type: 'Premium' } } },
    { body: { data: { id: '7', username: 'ada', name: 'Ada' } } },
    { body: { data: { username: 'ada' } } },
  );
  const ada = { id: '7', username: 'ada', name: 'Ada' };
  expect(await s.x.me(s.call)).toEqual({ ...ada, subscriptionType: 'Premium' });
  expect(await s.x.me(s.call)).toEqual({ ...ada, subscriptionType: null });
  expect(await failure(s.x.me(s.call))).toMatchObject({
    sent: true,
    message: "X's answer could not be read",
  });
  expect(s.seen[0]?.line).toBe('GET /2/users/me?user.fields=subscription_type');
});

const tweet = {
  id: '1500000000000000001',
  text: 'a &amp; b https://t.co/x',
  created_at: '2026-01-02T03:04:05.000Z',
  attachments: { media_keys: ['3_1'] },
  entities: { urls: [{ url: 'https://t.co/x', expanded_url: 'https://example.com/' }] },
  conversation_id: '1500000000000000000',
};

test.each([
  ['tweet', 'tweets'],
  ['post', 'posts'],
])('own tweets are read over all pages, with the field names of %s', async (one, many) => {
  const references = [
    { type: 'replied_to', id: '5' },
    { type: 'quoted', id: '6' },
  ];
  const full = { ...tweet, [`note_${one}`]: { text: 'long' }, [`referenced_${many}`]: references };
  await using s = await startX(
    { body: { data: [full], includes: { [many]: [] }, meta: { result_count: 1, next_token: 'n1' } } },
    { body: { data: [{ id: '1500000000000000000', text: 'b' }], meta: { result_count: 1 } } },
  );
  expect(await s.x.recentTweets('7', { sinceId: '99' }, s.call)).toEqual([
    {
      id: tweet.id,
      text: tweet.text,
      createdAt: Date.parse(tweet.created_at),
      mediaKeys: ['3_1'],
      replyTo: '5',
      quoteOf: '6',
      urls: [{ url: 'https://t.co/x', expandedUrl: 'https://example.com/' }],
      noteText: 'long',
      conversationId: '1500000000000000000',
    },
    // Without created_at the id tells: 2022-03-05.
    expect.objectContaining({ text: 'b', createdAt: 1_646_462_843_309, replyTo: null, mediaKeys: [] }),
  ]);
  const query = new URL(s.seen[1]?.line.split(' ')[1] ?? '', 'http://x').searchParams;
  expect(Object.fromEntries(query)).toEqual({
    since_id: '99',
    max_results: '100',
    exclude: 'retweets',
    'tweet.fields': 'created_at,attachments,entities,note_tweet,referenced_tweets,conversation_id',
    expansions: 'attachments.media_keys',
    pagination_token: 'n1',
  });
});

test('no tweets is an empty list, which X leaves out', async () => {
  await using s = await startX({ body: { meta: { result_count: 0 } } });
  expect(await s.x.recentTweets('7', { sinceId: '99' }, s.call)).toEqual([]);
});

test.each<[string, Answer]>([
  ['errors alone', { body: { errors: [{ title: 'Not Found Error' }] } }],
  ['nothing', { body: {} }],
  ['an unreadable tweet', { body: { data: [tweet, { text: 'no id' }], meta: { result_count: 2 } } }],
  ['half a page', { body: { data: [tweet], meta: { result_count: 1 } }, cutAfter: 40 }],
])('%s is never taken for an empty list', async (_name, answer) => {
  await using s = await startX(answer);
  expect(await failure(s.x.recentTweets('7', { sinceId: '99' }, s.call))).toBeInstanceOf(XUnreachableError);
});

test.each([200, 204])('deleting succeeds with %i', async (status) => {
  await using s = await startX({ status, body: status === 204 ? '' : { data: { deleted: true } } });
  await s.x.deleteTweet('12', s.call);
  expect(s.seen[0]?.line).toBe('DELETE /2/tweets/12');
});
