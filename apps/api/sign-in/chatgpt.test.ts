import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';
import { decideAtX, exchangeAsGpt, gptRequest, requestToken, signInThrough } from './test-flows.ts';
import { ada, ben, everyScope, gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const longState = `${'0123456789abcdef'.repeat(130)} +/=&%20ü\u{1f600}`;
const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

describe('a custom GPT signs its user in, step by step', () => {
  const browser = new TestBrowser();
  let consentUrl = '';
  let atX = '';
  let back = new URL('http://unset');
  let tokens: { access_token: string; refresh_token: string };

  it('1. ChatGPT opens the authorization URL: no PKCE, no resource, an empty scope, a long state', async () => {
    const answer = await browser.get(gptRequest(world, { state: longState, scope: '' }));
    expect(answer.status).toBe(303);
    consentUrl = locationOf(answer);
  });

  it('2. our page names the client, where it leads back to, and what it may do', async () => {
    const page = await (await browser.get(consentUrl)).text();
    expect(page).toContain('Allow ChatGPT to use your X account?');
    expect(page).toContain('<dd>chat.openai.com</dd>');
    for (const right of ['Publish, schedule and delete posts', 'Upload images', 'See your name'])
      expect(page).toContain(right);
    const answer = await browser.post(consentUrl, {
      csrf_token: fieldOf(page, 'csrf_token'),
      decision: 'approve',
    });
    expect(answer.status).toBe(303);
    atX = locationOf(answer);
    expect(new URL(atX).searchParams.get('code_challenge_method')).toBe('S256');
  });

  it('3. X sends the browser to our callback, and we send it on to ChatGPT with code, state and issuer', async () => {
    const resume = await browser.get(world.local(await decideAtX(atX)));
    expect(resume.status).toBe(303);
    const answer = await browser.get(locationOf(resume));
    expect(answer.status).toBe(303);
    back = new URL(locationOf(answer));
    expect(back.origin + back.pathname).toBe(gpt.redirectUris[0]);
    expect([...back.searchParams.keys()].sort()).toEqual(['code', 'iss', 'state']);
    expect(back.searchParams.get('state')).toBe(longState);
    expect(back.searchParams.get('iss')).toBe(world.publicUrl);
  });

  it('4. ChatGPT exchanges the code by POST, with its secret in the form', async () => {
    const { status, headers, body } = await exchangeAsGpt(world, back);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toContain('application/json');
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
      scope: everyScope,
    });
    tokens = body;
  });

  it('5. calls with the access token are the user’s, through this client', async () => {
    expect(await world.signIn.findCaller(tokens.access_token)).toEqual({
      accountId: ada.id,
      clientId: gpt.clientId,
      scope: everyScope.split(' '),
      audience: 'rest',
      account: expect.objectContaining({ id: ada.id, username: ada.username, state: 'connected' }),
    });
  });

  it('6. ChatGPT refreshes, twice at once and with a Basic header too, and never loses the account by it', async () => {
    const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
    const credentials = { client_id: gpt.clientId, client_secret: gpt.clientSecret };
    const answers = await Promise.all([
      requestToken(world, { form: { ...form, ...credentials } }),
      requestToken(world, { form: { ...form, ...credentials } }),
      requestToken(world, { form, headers: basic(gpt.clientId, gpt.clientSecret) }),
    ]);
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).toMatchObject({ expires_in: 3600, refresh_token: expect.any(String), scope: everyScope });
      expect(await world.signIn.findCaller(body.access_token)).not.toBeNull();
    }
  });
});

describe('the GPT client', () => {
  it('may use its other redirect URI, and Basic at the token endpoint', async () => {
    const redirect_uri = gpt.redirectUris[1];
    const back = await signInThrough(world, gptRequest(world, { redirect_uri }));
    expect(back.origin).toBe('https://chatgpt.com');
    const { status, body } = await requestToken(world, {
      form: { grant_type: 'authorization_code', code: back.searchParams.get('code') ?? '', redirect_uri },
      headers: basic(gpt.clientId, gpt.clientSecret),
    });
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
  });

  it.each([
    ['no scope at all', undefined, everyScope],
    ['the scopes of X’s older instructions', 'users.read tweet.read tweet.write', everyScope],
    ['reading alone', 'tweet.read users.read', 'tweet.read users.read offline.access'],
    ['unknown ones among known', 'openid profile tweet.read', 'tweet.read offline.access'],
  ])('may ask for %s', async (_, scope, granted) => {
    const { body } = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world, { scope })));
    expect(body.scope).toBe(granted);
  });

  it('learns that none of the scopes it asked for exists', async () => {
    const browser = new TestBrowser();
    const consentUrl = locationOf(await browser.get(gptRequest(world, { scope: 'openid email' })));
    const back = new URL(locationOf(await browser.get(locationOf(await browser.get(consentUrl)))));
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: 'invalid_scope',
      state: 'opaque-state',
    });
  });

  it('learns what X did not grant, and can go on with the rest', async () => {
    world.simulator.state.settings.withheldScopes = ['media.write'];
    const back = await signInThrough(world, gptRequest(world)).finally(() => {
      world.simulator.state.settings.withheldScopes = [];
    });
    const { body } = await exchangeAsGpt(world, back);
    expect(body.scope).toBe('tweet.read tweet.write users.read offline.access');
  });

  it('serves several accounts, also from one browser', async () => {
    const browser = new TestBrowser();
    const first = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world), { browser }));
    const request = gptRequest(world, { prompt: 'consent' });
    const back = await signInThrough(world, request, { browser, user: ben.username });
    const second = await exchangeAsGpt(world, back);
    expect(await world.signIn.findCaller(first.body.access_token)).toMatchObject({ accountId: ada.id });
    expect(await world.signIn.findCaller(second.body.access_token)).toMatchObject({ accountId: ben.id });
  });
});
