import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rateLimited } from '#apps/x-simulator/fault.ts';
import { eventually } from './eventually.ts';
import { quickTimings } from './quick-timings.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem({ timings: quickTimings, simulator: { quotesAllowed: true, replyRule: false } });
  for (const colour of ['red', 'green', 'blue', 'white']) {
    const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: colour } })
      .png()
      .toBuffer();
    system.mediaHost.files.set(`/${colour}.png`, bytes);
  }
});
afterAll(() => system[Symbol.asyncDispose]());

const picture = (colour: string) => system.mediaHost.url(`/${colour}.png`);
const tweetsOf = (session: Session) => system.simulator.state.tweets.existing(session.account.id);
/** The fields of the request with which X created a post. */
const requestFor = (tweet: { requestNumber: number } | undefined): unknown => {
  const request = system.simulator.state.requests.all.find(({ number }) => number === tweet?.requestNumber);
  return JSON.parse(request?.bodyText ?? 'null');
};
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

describe('what X is sent', () => {
  it('of a thread is each post with its own media and alt texts, a reply to the one before', async () => {
    const session = await system.connect('sandbox_ada');
    const job = await session.post({
      text: 'Colours of lighthouses',
      media_urls: [picture('red'), picture('white')],
      alt_texts: ['Red', 'White'],
      thread: [{ text: 'No picture here' }, { media_url: picture('blue'), alt_texts: ['Blue'] }],
    });
    expect(job.status).toBe('published');
    const posts = tweetsOf(session).slice(-3);
    expect(posts.map(({ text, replyTo }) => [text, replyTo])).toEqual([
      ['Colours of lighthouses', null],
      ['No picture here', posts[0]?.id],
      ['', posts[1]?.id],
    ]);
    const altTexts = posts.map(({ mediaIds }) =>
      mediaIds.map((id) => system.simulator.state.media.get(id)?.altText),
    );
    expect(altTexts).toEqual([['Red', 'White'], [], ['Blue']]);
    expect(job.tweets).toEqual(
      posts.map(({ id }, index) => ({
        index,
        tweet_id: id,
        tweet_url: `https://x.com/sandbox_ada/status/${id}`,
      })),
    );
    expect(job.media).toHaveLength(3);
  });

  it('of a thread that X refuses half-way is what stands on X, and the job says which posts do', async () => {
    const session = await system.connect('sandbox_ben');
    const job = await session.post({
      text: 'Same words',
      thread: [{ text: 'Same words' }, { text: 'Never' }],
    });
    const [first, ...others] = tweetsOf(session);
    expect(others).toEqual([]);
    expect(job).toMatchObject({
      status: 'failed',
      tweet_id: first?.id,
      tweets: [{ index: 0, tweet_id: first?.id }],
      error: { code: 'duplicate_content', action_required: 'edit_text' },
    });
    expect(job.message).toContain("1 of the thread's posts is live on X");
  });

  it('of the same picture twice is a post that X takes', async () => {
    const session = await system.connect('sandbox_ada');
    const job = await session.post({ text: 'Twins', media_urls: [picture('green'), picture('green')] });
    expect(job).toMatchObject({ status: 'published', error: null });
    expect(new Set(tweetsOf(session).at(-1)?.mediaIds).size).toBe(2);
  });

  it('of a poll is its options and minutes', async () => {
    const session = await system.connect('sandbox_ada');
    const poll = { options: ['Tea', 'Coffee', 'Water', 'Neither of them'], duration_minutes: 1440 };
    expect((await session.post({ text: 'What?', poll })).status).toBe('published');
    expect(requestFor(tweetsOf(session).at(-1))).toEqual({ text: 'What?', poll });
  });

  it('of a reply, a quote and the settings of a post is spelled as X spells it', async () => {
    const ada = await system.connect('sandbox_ada');
    const ben = await system.connect('sandbox_ben');
    const { tweet_id } = await ada.post({ text: 'Talk to me' });
    expect((await ben.post({ text: 'Hello', reply_to_tweet_id: tweet_id })).status).toBe('published');
    expect(requestFor(tweetsOf(ben).at(-1))).toEqual({
      text: 'Hello',
      reply: { in_reply_to_tweet_id: tweet_id },
    });
    expect((await ben.post({ text: 'Look', quote_tweet_id: tweet_id })).status).toBe('published');
    expect(requestFor(tweetsOf(ben).at(-1))).toEqual({ text: 'Look', quote_tweet_id: tweet_id });
    const settings = { community_id: '1500000000000000000', made_with_ai: true, paid_partnership: true };
    for (const reply_settings of ['following', 'mentionedUsers', 'verified']) {
      const body = { text: `Only for ${reply_settings}`, reply_settings, ...settings };
      expect((await ben.post(body)).status).toBe('published');
      expect(requestFor(tweetsOf(ben).at(-1))).toEqual(body);
    }
    const cleo = await system.connect('sandbox_cleo');
    const forSubscribers = { text: 'Only for those who pay', reply_settings: 'subscribers' };
    expect((await cleo.post(forSubscribers)).status).toBe('published');
    expect(requestFor(tweetsOf(cleo).at(-1))).toEqual(forSubscribers);
  });

  it('is a text of thousands of characters for an account with Premium, which its job shows the beginning of', async () => {
    const session = await system.connect('sandbox_cleo');
    const text = 'A long story. '.repeat(150);
    const job = await session.post({ text });
    expect(job.status).toBe('published');
    expect(job.tweet_text).toHaveLength(400);
    expect(Buffer.byteLength(JSON.stringify(job))).toBeLessThan(4096);
    expect(tweetsOf(session).at(-1)?.text).toBe(text);
  });
});

describe('a scheduled post', () => {
  it('is sent at its time and not before; its media is fetched at once', async () => {
    const session = await system.connect('sandbox_ben');
    const due = Date.now() + 4000;
    const publish_at = new Date(due).toISOString();
    system.mediaHost.files.set('/once.png', system.mediaHost.files.get('/red.png') ?? Buffer.alloc(0));
    const media_url = system.mediaHost.url('/once.png');
    const { status, headers, body } = await session.request('POST', '/postTweet', {
      text: 'In time',
      publish_at,
      media_url,
    });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(body.status_url);
    expect(headers.get('retry-after')).toBe(String(body.next_check_seconds));
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ status: 'scheduled', publish_at, tweet_id: null });
    expect(body.next_check_seconds).toBeLessThanOrEqual(5);
    await expect.poll(() => system.mediaHost.requests).toContain('/once.png');
    expect(Date.now()).toBeLessThan(due);
    system.mediaHost.files.delete('/once.png');
    expect((await session.ended(body.job_id)).status).toBe('published');
    const tweet = tweetsOf(session).at(-1);
    expect(tweet?.text).toBe('In time');
    expect(tweet?.createdAt).toBeGreaterThanOrEqual(due);
    expect(tweet?.createdAt).toBeLessThan(due + 15_000);
  });

  it('can be canceled, once and again, and is never posted', async () => {
    const session = await system.connect('sandbox_ben');
    const order = { text: 'Never', publish_at: inSeconds(3) };
    const { body } = await session.request('POST', '/postTweet', order);
    for (let time = 0; time < 2; time++) {
      const canceled = await session.request('POST', `/jobs/${body.job_id}/cancel`);
      expect(canceled.status).toBe(200);
      expect(canceled.body).toMatchObject({ status: 'canceled', next_check_seconds: null });
      expect(canceled.headers.get('retry-after')).toBeNull();
    }
    const after = await session.post({ text: 'Afterwards', publish_at: inSeconds(5) });
    expect(after.status).toBe('published');
    expect(tweetsOf(session).map(({ text }) => text)).not.toContain('Never');
  });
});

describe('cancel', () => {
  it('is too late once sending has begun, and after the end', async () => {
    const session = await system.connect('sandbox_ada');
    const hold = system.simulator.faults.hold('POST /2/tweets', 'read');
    const { body } = await session.request('POST', '/postTweet', { text: 'Already on its way' });
    await hold.reached;
    const cancel = () => session.request<{ code: string }>('POST', `/jobs/${body.job_id}/cancel`);
    expect(await cancel()).toMatchObject({ status: 409, body: { code: 'too_late' } });
    hold.release();
    expect((await session.ended(body.job_id)).status).toBe('published');
    expect(await cancel()).toMatchObject({ status: 409, body: { code: 'too_late' } });
  });
});

describe('DELETE /tweets/{tweet_id}', () => {
  it('deletes a post of the account, and no other', async () => {
    const ada = await system.connect('sandbox_ada');
    const ben = await system.connect('sandbox_ben');
    const { tweet_id } = await ada.post({ text: 'Soon gone' });
    const remove = (session: Session, id: unknown) =>
      session.request<{ code?: string }>('DELETE', `/tweets/${id}`);
    expect(await remove(ben, tweet_id)).toMatchObject({ status: 403, body: { code: 'x_forbidden' } });
    expect(await remove(ada, tweet_id)).toMatchObject({ status: 200, body: { tweet_id, deleted: true } });
    expect(await remove(ada, tweet_id)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await remove(ada, '1')).toMatchObject({ status: 404 });
    expect(await remove(ada, 'abc')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'tweet_id' }] },
    });
    expect(tweetsOf(ada).map(({ id }) => id)).not.toContain(tweet_id);
  });

  it('does not ask X again before it allows that, and says when', async () => {
    const session = await system.connect('sandbox_ada');
    const { tweet_id } = await session.post({ text: 'Here for a while longer' });
    const remove = () => session.request<{ code?: string }>('DELETE', `/tweets/${tweet_id}`);
    system.simulator.faults.next('DELETE /2/tweets/:id', rateLimited(2));
    expect(await remove()).toMatchObject({ status: 429, body: { code: 'x_limited' } });
    expect(await remove()).toMatchObject({ status: 429, body: { code: 'x_limited' } });
    const asked = system.simulator.state.requests.all.filter(
      ({ endpoint, path }) => endpoint === 'DELETE /2/tweets/:id' && path.endsWith(String(tweet_id)),
    );
    expect(asked).toHaveLength(1);
    await eventually(async () => expect((await remove()).status).toBe(200));
  });
});
