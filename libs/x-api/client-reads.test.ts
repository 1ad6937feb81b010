import { expect, test } from 'vitest';
import { failure } from '../../test/failure.ts';
import { XUnreachableError } from './errors.ts';
import { type Answer, startX } from './test-x.ts';

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
