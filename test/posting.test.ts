import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { type System, startSystem } from './system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

const picture = (colour: string, width = 320, height = 200) =>
  sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer();

describe('a post', () => {
  it('of text is published and its status URL says so', async () => {
    const session = await system.connect();
    const accepted = await session.request('POST', '/postTweet', { text: 'Hello from the test' });
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get('location')).toBe(accepted.body.status_url);
    const job = await session.ended(accepted.body.job_id);
    expect(job).toMatchObject({
      status: 'published',
      message: 'Tweet posted successfully!',
      tweet_text: 'Hello from the test',
    });
    const [tweet] = system.simulator.state.tweets.visible(session.account.id);
    expect(tweet).toMatchObject({ id: job.tweet_id, text: 'Hello from the test' });
    expect(job.tweet_url).toBe(`https://x.com/${session.account.username}/status/${job.tweet_id}`);
  });

  it('answers 200 with the finished job when it ends within wait_seconds', async () => {
    const session = await system.connect();
    const answer = await session.request('POST', '/postTweet', {
      text: 'Held until the end',
      wait_seconds: 20,
    });
    expect(answer.status).toBe(200);
    expect(answer.body.status).toBe('published');
  });

  it('carries an image from a URL to X so that it decodes to the same picture', async () => {
    const session = await system.connect();
    const bytes = await picture('#cc3300');
    system.mediaHost.files.set('/red.png', bytes);
    const job = await session.post({
      text: 'A red one',
      media_url: system.mediaHost.url('/red.png'),
      alt_texts: ['All red'],
    });
    expect(job).toMatchObject({
      status: 'published',
      media: [{ kind: 'image', status: 'ready', progress: 100 }],
    });
    const [tweet] = system.simulator.state.tweets.visible(session.account.id);
    const [mediaId = ''] = tweet?.mediaIds ?? [];
    const media = system.simulator.state.media.get(mediaId);
    expect(media?.altText).toBe('All red');
    const stored = await readFile(media?.path ?? '');
    expect(await sharp(stored).raw().toBuffer()).toEqual(await sharp(bytes).raw().toBuffer());
  });

  it('with an image that X still has from an earlier post does not upload it again', async () => {
    const session = await system.connect('sandbox_ben');
    system.mediaHost.files.set('/again.png', await picture('#123456'));
    const uploads = () =>
      system.simulator.state.requests.all.filter((request) => request.endpoint.endsWith('/initialize'))
        .length;
    const url = system.mediaHost.url('/again.png');
    expect((await session.post({ text: 'Shown once', media_url: url })).status).toBe('published');
    const before = uploads();
    expect((await session.post({ text: 'Shown again', media_url: url })).status).toBe('published');
    expect(uploads()).toBe(before);
    const [second, first] = system.simulator.state.tweets.visible(session.account.id);
    expect(second?.mediaIds).toEqual(first?.mediaIds);
    // An alt text belongs to the media at X: with another one it is other media.
    expect((await session.post({ text: 'Described', media_url: url, alt_texts: ['Dark'] })).status).toBe(
      'published',
    );
    expect(uploads()).toBe(before + 1);
  });

  it('carries four images in their order', async () => {
    const session = await system.connect();
    const colours = ['#111111', '#00ff00', '#0000ff', '#ffff00'];
    for (const [index, colour] of colours.entries())
      system.mediaHost.files.set(`/${index}.png`, await picture(colour));
    const job = await session.post({
      text: 'Four',
      media_urls: colours.map((_, index) => system.mediaHost.url(`/${index}.png`)),
    });
    expect(job.status).toBe('published');
    const [tweet] = system.simulator.state.tweets.visible(session.account.id);
    const shown = await Promise.all(
      (tweet?.mediaIds ?? []).map(async (id) => {
        const { data } = await sharp(system.simulator.state.media.get(id)?.path)
          .raw()
          .toBuffer({ resolveWithObject: true });
        return `#${data.subarray(0, 3).toString('hex')}`;
      }),
    );
    expect(shown).toEqual(colours);
  });

  it('with one bad image of four fails before anything is uploaded', async () => {
    const session = await system.connect();
    system.mediaHost.files.set('/good.png', await picture('#ffffff'));
    const before = system.simulator.state.requests.all.filter((request) =>
      request.endpoint.includes('/initialize'),
    ).length;
    const urls = ['/good.png', '/missing.png'].map((path) => system.mediaHost.url(path));
    const job = await session.post({ text: 'One is missing', media_urls: urls });
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'media_not_found', action_required: 'change_media' },
    });
    const after = system.simulator.state.requests.all.filter((request) =>
      request.endpoint.includes('/initialize'),
    ).length;
    expect(after).toBe(before);
  });

  it('as a thread is published in order, each a reply to the one before', async () => {
    const session = await system.connect();
    const job = await session.post({ text: 'First', thread: [{ text: 'Second' }, { text: 'Third' }] });
    expect(job.status).toBe('published');
    expect(job.tweets).toHaveLength(3);
    const tweets = system.simulator.state.tweets.visible(session.account.id).slice(0, 3).toReversed();
    expect(tweets.map((tweet) => tweet.text)).toEqual(['First', 'Second', 'Third']);
    expect(tweets.map((tweet) => tweet.replyTo ?? null)).toEqual([null, tweets[0]?.id, tweets[1]?.id]);
  });

  it('goes out after the earlier ones of its account, in the order of acceptance', async () => {
    const session = await system.connect('sandbox_cleo');
    const texts = Array.from({ length: 12 }, (_, index) => `Number ${index} of a burst`);
    const jobs: string[] = [];
    for (const text of texts) jobs.push((await session.request('POST', '/postTweet', { text })).body.job_id);
    for (const jobId of jobs) expect((await session.ended(jobId)).status).toBe('published');
    const posted = system.simulator.state.tweets.visible(session.account.id).toReversed();
    expect(posted.map((tweet) => tweet.text)).toEqual(texts);
  });

  it('is not sent while an earlier one of its account is on its way', async () => {
    const session = await system.connect('sandbox_ben');
    await using redis = await connectRedis(system.redis.url, 'wait');
    const creates = () =>
      system.simulator.state.requests.all.filter(({ endpoint }) => endpoint === 'POST /2/tweets').length;
    const before = creates();
    const hold = system.simulator.faults.hold('POST /2/tweets', 'received');
    const first = await session.request('POST', '/postTweet', { text: 'On its way' });
    await hold.reached;
    const second = await session.request('POST', '/postTweet', { text: 'Waits its turn' });
    // Either it sleeps until it is its turn, or it has been sent all the same.
    await expect
      .poll(async () => (await redis.zcard('bull:tweets:delayed')) + creates() - before)
      .toBeGreaterThan(1);
    expect(creates() - before).toBe(1);
    hold.release();
    for (const { body } of [first, second])
      expect((await session.ended(body.job_id)).status).toBe('published');
  });

  it('that X refuses fails at once with the reason of X', async () => {
    const session = await system.connect();
    const job = await session.post({ text: 'A reply to nothing', reply_to_tweet_id: '1' });
    expect(job).toMatchObject({ status: 'failed', attempts: 1 });
    expect(job.error?.detail).toMatch(/X refused/);
  });
});

describe('a repeated request', () => {
  it('with the same request_id leads to the same job and no second post', async () => {
    const session = await system.connect();
    const body = { text: 'Only once please', request_id: 'once-1' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => session.request('POST', '/postTweet', body)),
    );
    expect(new Set(answers.map((answer) => answer.body.job_id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.body.replayed)).toHaveLength(1);
    await session.ended(answers[0]?.body.job_id ?? '');
    expect(
      system.simulator.state.tweets.visible(session.account.id).filter((tweet) => tweet.text === body.text),
    ).toHaveLength(1);
  });

  it('with the same request_id and other content is refused', async () => {
    const session = await system.connect();
    await session.request('POST', '/postTweet', { text: 'One thing', request_id: 'post-1' });
    const other = await session.request<{ code: string }>('POST', '/postTweet', {
      text: 'Another',
      request_id: 'post-1',
    });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });

  it('without a key leads to the same job within ten minutes, unless allow_duplicate is set', async () => {
    const session = await system.connect();
    const first = await session.request('POST', '/postTweet', { text: 'Said twice' });
    const second = await session.request('POST', '/postTweet', { text: 'Said twice' });
    expect(second.body).toMatchObject({
      job_id: first.body.job_id,
      duplicate_of_recent: true,
      replayed: false,
    });
    const third = await session.request('POST', '/postTweet', { text: 'Said twice', allow_duplicate: true });
    expect(third.body.job_id).not.toBe(first.body.job_id);
  });
});

describe('a wrong request', () => {
  it('is answered with every wrong field', async () => {
    const session = await system.connect();
    const body = {
      text: 'x'.repeat(281),
      media_url: 'not a url',
      poll: { options: ['one'], duration_minutes: 1 },
      wait_seconds: 99,
    };
    const answer = await session.request<{ errors: { field: string }[] }>('POST', '/postTweet', body);
    expect(answer.status).toBe(422);
    const fields = answer.body.errors.map((error) => error.field);
    expect(fields).toEqual(
      expect.arrayContaining(['text', 'media_url', 'poll.options', 'poll.duration_minutes', 'wait_seconds']),
    );
  });

  it('without a token is a 401 with a challenge', async () => {
    const answer = await fetch(`${system.url}/postTweet`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('for the job of another account is a 404', async () => {
    const ada = await system.connect('sandbox_ada');
    const other = await system.connect('sandbox_ben');
    const { body } = await ada.request('POST', '/postTweet', { text: 'Mine alone' });
    expect((await other.request('GET', `/jobs/${body.job_id}`)).status).toBe(404);
  });
});

it('a token that was given for reading only posts nothing', async () => {
  const session = await system.connect();
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: session.refreshToken,
    client_id: 'post-to-x-direct',
    scope: 'tweet.read users.read',
  });
  const narrowed = await fetch(`${system.url}/oauth/token`, { method: 'POST', body: form });
  const { access_token: token } = (await narrowed.json()) as { access_token: string };
  const authorization = { authorization: `Bearer ${token}` };
  expect((await session.request('GET', '/me', undefined, authorization)).status).toBe(200);
  const refused = await session.request<{ code: string; detail: string }>(
    'POST',
    '/postTweet',
    { text: 'Not mine' },
    authorization,
  );
  expect(refused).toMatchObject({
    status: 403,
    body: { code: 'missing_scope', action_required: 'reconnect' },
  });
  expect(refused.body.detail).toMatch(/without the right tweet\.write\. Sign in again and allow it\.$/);
  expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope');
});
