import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { Client, OAuth2 } from '@xdevplatform/xdk';
import sharp from 'sharp';
import { type ITwitterApiClientPlugin, TwitterApi } from 'twitter-api-v2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from './simulator.ts';

// The two client libraries that people use against the real X are the judges of the simulator.

const scope = ['tweet.read', 'tweet.write', 'users.read', 'media.write', 'offline.access'];
const redirectUri = 'http://127.0.0.1:9/callback';
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({
    processing: { checkAfterSecs: 0.01, polls: 2, outcome: 'succeeded', error: null },
  });
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

describe('twitter-api-v2', () => {
  const client = (credentials: string | { clientId: string; clientSecret: string }) => {
    const { port } = new URL(simulator.url);
    const plugin: ITwitterApiClientPlugin = {
      onBeforeRequest({ computedParams: { url } }) {
        url.protocol = 'http:';
        url.hostname = '127.0.0.1';
        url.port = port;
      },
    };
    const settings = { httpAgent: new http.Agent(), plugins: [plugin] };
    return typeof credentials === 'string'
      ? new TwitterApi(credentials, settings)
      : new TwitterApi(credentials, settings);
  };

  async function signIn() {
    const app = client({ clientId: 'sandbox-client', clientSecret: 'sandbox-secret' });
    const link = app.generateOAuth2AuthLink(redirectUri, { scope });
    const back = await simulator.authorize(link.url);
    expect(back.searchParams.get('state')).toBe(link.state);
    return app.loginWithOAuth2({
      code: back.searchParams.get('code') ?? '',
      codeVerifier: link.codeVerifier,
      redirectUri,
    });
  }

  test('signs in, refreshes, and a refresh token does not work twice', async () => {
    const { accessToken, refreshToken, expiresIn, scope: granted } = await signIn();
    expect(expiresIn).toBe(7_200);
    expect(granted.sort()).toEqual([...scope].sort());
    const me = await client(accessToken).v2.me();
    expect(me.data.username).toBe('sandbox_ada');
    const app = client({ clientId: 'sandbox-client', clientSecret: 'sandbox-secret' });
    const next = await app.refreshOAuth2Token(refreshToken ?? '');
    expect((await client(next.accessToken).v2.me()).data.id).toBe(me.data.id);
    await expect(app.refreshOAuth2Token(refreshToken ?? '')).rejects.toMatchObject({ code: 400 });
    await expect(client(next.accessToken).v2.me()).rejects.toMatchObject({ code: 401 });
  });

  test('posts text, an image and a thread, reads its timeline, deletes and revokes', async () => {
    const { accessToken, refreshToken } = await signIn();
    const { v2 } = client(accessToken);
    const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#345' } })
      .png()
      .toBuffer();
    const mediaId = await v2.uploadMedia(png, { media_type: 'image/png' });
    await v2.createMediaMetadata(mediaId, { alt_text: { text: 'A dark square' } });
    const { data } = await v2.tweet('A picture & example.com', { media: { media_ids: [mediaId] } });
    expect(data.text).toMatch(/^A picture &amp; https:\/\/t\.co\/\w{10} https:\/\/t\.co\/\w{10}$/);
    const thread = await v2.tweetThread(['First', 'Second', 'Third']);
    const me = await v2.me();
    const timeline = await v2.userTimeline(me.data.id, {
      max_results: 5,
      'tweet.fields': ['created_at', 'entities', 'attachments', 'referenced_tweets', 'conversation_id'],
      expansions: ['attachments.media_keys'],
      'media.fields': ['alt_text', 'width', 'height'],
    });
    expect(timeline.tweets.map(({ id }) => id)).toEqual([
      ...thread.map((tweet) => tweet.data.id).reverse(),
      data.id,
    ]);
    expect(timeline.tweets[3]?.entities?.urls[0]).toMatchObject({ expanded_url: 'http://example.com' });
    expect(timeline.includes.media).toEqual([
      { media_key: `3_${mediaId}`, type: 'photo', alt_text: 'A dark square', width: 40, height: 30 },
    ]);
    expect(await simulator.state.media.read(simulator.state.media.get(mediaId) ?? expect.fail())).toEqual(
      png,
    );
    expect((await v2.deleteTweet(data.id)).data.deleted).toBe(true);
    expect((await v2.singleTweet(data.id)).errors).toHaveLength(1);
    await client({ clientId: 'sandbox-client', clientSecret: 'sandbox-secret' }).revokeOAuth2Token(
      refreshToken ?? '',
      'refresh_token',
    );
    await expect(v2.me()).rejects.toMatchObject({ code: 401 });
  });

  test('uploads a video in several segments and waits for its processing', async () => {
    const { accessToken } = await signIn();
    const video = Buffer.concat([
      Buffer.from('00000014667479706d70343200000000', 'hex'),
      randomBytes(2_500_000),
    ]);
    const mediaId = await client(accessToken).v2.uploadMedia(video, { media_type: 'video/mp4' });
    const media = simulator.state.media.get(mediaId);
    expect(media).toMatchObject({
      phase: 'succeeded',
      polls: 2,
      sha256: createHash('sha256').update(video).digest('hex'),
    });
    expect(media?.segments).toHaveLength(3);
    await client(accessToken).v2.tweet('', { media: { media_ids: [mediaId] } });
    expect(simulator.state.tweets.existing()).toHaveLength(1);
  });

  test('understands its refusals and rate limits', async () => {
    const { accessToken } = await signIn();
    const { v2 } = client(accessToken);
    await v2.tweet('Once');
    await expect(v2.tweet('Once')).rejects.toMatchObject({
      code: 403,
      data: { detail: 'You are not allowed to create a Tweet with duplicate content.' },
      rateLimit: { limit: 100, remaining: 98 },
    });
  });
});

describe('@xdevplatform/xdk', () => {
  const originalFetch = globalThis.fetch;
  afterEach(() => {
    globalThis.fetch = originalFetch;
  });

  test('signs in, uploads, posts, reads and deletes', async () => {
    globalThis.fetch = (input, init) => {
      const url = String(input instanceof Request ? input.url : input);
      return originalFetch(url.replace(/^https:\/\/api\.(x|twitter)\.com/, simulator.url), init);
    };
    const oauth = new OAuth2({
      clientId: 'sandbox-client',
      clientSecret: 'sandbox-secret',
      redirectUri,
      scope,
    });
    const verifier = randomBytes(32).toString('base64url');
    await oauth.setPkceParameters(verifier);
    const back = await simulator.authorize(await oauth.getAuthorizationUrl('the-state'));
    const tokens = await oauth.exchangeCode(back.searchParams.get('code') ?? '', verifier);
    const renewed = await oauth.refreshToken(tokens.refresh_token);
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
    const x = new Client({ accessToken: renewed.access_token, baseUrl: simulator.url });
    const me = await x.users.getMe();
    expect(me.data?.username).toBe('sandbox_ada');
    const gif = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .gif()
      .toBuffer();
    const { data } = await x.media.initializeUpload({
      mediaCategory: 'tweet_gif',
      mediaType: 'image/gif',
      totalBytes: gif.length,
    });
    const mediaId = data?.id ?? expect.fail();
    await x.media.appendUpload(mediaId, { media: gif.toString('base64'), segmentIndex: 0 });
    const finalized = await x.media.finalizeUpload(mediaId);
    expect(finalized.data).toMatchObject({ processingInfo: { state: 'pending' } });
    await x.media.getUploadStatus(mediaId, { command: 'STATUS' });
    const status = await x.media.getUploadStatus(mediaId, { command: 'STATUS' });
    expect(status.data).toMatchObject({ processingInfo: { state: 'succeeded', progressPercent: 100 } });
    const post = await x.posts.create({ text: 'From the official client', media: { mediaIds: [mediaId] } });
    const postId = post.data?.id ?? expect.fail();
    const posts = await x.users.getPosts(me.data?.id ?? '', {
      maxResults: 5,
      expansions: ['attachments.media_keys'],
    });
    expect(posts.data?.[0]).toMatchObject({ id: postId, attachments: { mediaKeys: [`16_${mediaId}`] } });
    await x.posts.delete(postId);
    expect(simulator.state.tweets.existing()).toEqual([]);
  });
});
