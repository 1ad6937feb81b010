import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownClientId } from './clients.ts';
import { locationOf, TestBrowser } from './test-browser.ts';
import { exchangeAsGpt, gptRequest, signInThrough } from './test-flows.ts';
import { gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const registered = gpt.redirectUris[0];
const invalidGrant = { status: 400, body: expect.objectContaining({ error: 'invalid_grant' }) };

describe('redirect URIs (O01, O02)', () => {
  const variants = [
    registered.replace('chat.openai.com', 'evil.example'),
    `${registered}/more`,
    `${registered}/../../../elsewhere`,
    registered.replace('/oauth/', '/%6Fauth/'),
    `${registered}?next=https://evil.example`,
    `${registered}#fragment`,
    registered.replace('/aip/', '/AIP/'),
    registered.replace('chat.openai.com', 'CHAT.openai.com'),
    registered.replace('chat.openai.com', 'chat.openai.com:443'),
    registered.replace('chat.openai.com', 'chat.openai.com.evil.example'),
    registered.replace('chat.openai.com', 'chat.openai.com@evil.example'),
    registered.replace('https:', 'http:'),
    `${registered}/`,
    `${registered} `,
    `${registered},${registered}`,
    'javascript:alert(1)',
    '',
  ];

  it.each(variants)(
    'an address that is not a registered one gets a page and no redirect: %s',
    async (uri) => {
      const answer = await new TestBrowser().get(gptRequest(world, { redirect_uri: uri }));
      expect(answer.status).toBe(400);
      expect(answer.headers.get('location')).toBeNull();
      expect(answer.headers.get('content-type')).toContain('text/html');
    },
  );

  it('the page and the log name the address that was refused, and where to register it', async () => {
    const uri = 'https://chatgpt.com/aip/g-new/oauth/callback?<script>alert(1)</script>';
    const page = await (await new TestBrowser().get(gptRequest(world, { redirect_uri: uri }))).text();
    expect(page).toContain('https://chatgpt.com/aip/g-new/oauth/callback?&#60;script&#62;');
    expect(page).not.toContain('<script');
    expect(page).toContain('GPT_REDIRECT_URIS');
    expect(world.log.at(-1)).toMatchObject({
      level: 'warn',
      fields: { clientId: gpt.clientId, redirectUri: uri },
      message: expect.stringContaining('GPT_REDIRECT_URIS'),
    });
  });

  it('of a client that is not the GPT the page does not speak of the settings of the GPT', async () => {
    const request = gptRequest(world, {
      client_id: 'post-to-x-terminal',
      redirect_uri: 'https://agent.example/elsewhere',
    });
    const page = await (await new TestBrowser().get(request)).text();
    expect(page).toContain('https://agent.example/elsewhere');
    expect(page).toContain('metadata document');
    expect(page + JSON.stringify(world.log.at(-1))).not.toContain('GPT');
  });

  it.each([
    ['given twice', `&redirect_uri=${encodeURIComponent(registered)}`],
    ['given twice, the second one foreign', '&redirect_uri=https%3A%2F%2Fevil.example'],
  ])('an address %s gets a page and no redirect', async (_, addition) => {
    const answer = await new TestBrowser().get(gptRequest(world) + addition);
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
  });

  it.each([
    ['a missing redirect_uri', { redirect_uri: undefined }],
    ['an unknown client', { client_id: 'nobody' }],
    ['no client', { client_id: undefined }],
    ['the client of direct sign-ins', { client_id: ownClientId, redirect_uri: 'REPLACED' }],
    ['response_type=token', { response_type: 'token' }],
    ['response_type=code id_token', { response_type: 'code id_token' }],
    ['no response_type', { response_type: undefined }],
    ['response_mode=fragment', { response_mode: 'fragment' }],
  ])('%s gets a page and no redirect', async (_, changes: Record<string, string | undefined>) => {
    if (changes.redirect_uri === 'REPLACED') changes.redirect_uri = `${world.publicUrl}/callback`;
    const answer = await new TestBrowser().get(gptRequest(world, changes));
    expect([answer.status, answer.headers.get('location')]).toEqual([400, null]);
  });

  it.each([gpt.redirectUris[1], 'https://evil.example/', `${registered}/`, ''])(
    'a code is not exchanged for another redirect_uri than its own: %s',
    async (redirect_uri) => {
      const back = await signInThrough(world, gptRequest(world));
      const answer = await exchangeAsGpt(world, back, { redirect_uri });
      expect(answer.status).toBe(400);
      expect((await exchangeAsGpt(world, back)).status, 'the client itself is not harmed').toBe(200);
    },
  );
});

describe('resources (RFC 8707)', () => {
  it('that are not served here are refused at both ends, and one token is for one of them', async () => {
    const foreign = gptRequest(world, { resource: 'https://other.example/api' });
    const back = new URL(locationOf(await new TestBrowser().get(foreign)));
    expect(back.searchParams.get('error')).toBe('invalid_target');
    const slash = { resource: `${world.publicUrl}/mcp/` };
    const asked = await signInThrough(world, gptRequest(world, slash));
    expect((await exchangeAsGpt(world, asked, { resource: `${world.publicUrl}/mcp` })).status).toBe(200);
    for (const resource of [`${world.publicUrl}/mcp`, 'https://other.example/api']) {
      const rest = await signInThrough(world, gptRequest(world, { resource: `${world.publicUrl}/` }));
      expect((await exchangeAsGpt(world, rest, { resource })).body.error).toBe('invalid_target');
    }
  });
});

describe('state (O03)', () => {
  it.each(['a b+c', '%', 'ü\u{1f600}', '"><script>', 'x'.repeat(4000)])(
    'comes back as it was: %s',
    async (state) => {
      const back = await signInThrough(world, gptRequest(world, { state }));
      expect(back.searchParams.get('state')).toBe(state);
      expect(decodeURIComponent(/[?&]state=([^&]*)/.exec(back.href)?.[1] ?? '')).toBe(state);
    },
  );

  it('may be missing, as the browser’s cookies bind the flow too', async () => {
    const back = await signInThrough(world, gptRequest(world, { state: undefined }));
    expect(back.searchParams.has('state')).toBe(false);
    expect((await exchangeAsGpt(world, back)).status).toBe(200);
  });
});

it('parameters of OpenID Connect, and unknown ones, are ignored', async () => {
  const request = gptRequest(world, {
    nonce: 'n',
    max_age: '0',
    acr_values: 'x',
    login_hint: 'y',
    unknown: 'z',
  });
  expect((await exchangeAsGpt(world, await signInThrough(world, request))).status).toBe(200);
});

describe('PKCE (O04)', () => {
  const verifier = 'verifier-of-at-least-forty-three-characters-0123';
  const code_challenge = 'A7tUPCTZLKV4Vz8J1UpIzVX0PtZOMm8GuyzAhWdcP2Y';
  const withChallenge = () =>
    signInThrough(world, gptRequest(world, { code_challenge, code_challenge_method: 'S256' }));

  it('a code with a challenge needs its verifier', async () => {
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const request = gptRequest(world, { code_challenge: challenge, code_challenge_method: 'S256' });
    const back = await signInThrough(world, request);
    expect(await exchangeAsGpt(world, back)).toMatchObject(invalidGrant);
    expect(await exchangeAsGpt(world, back, { code_verifier: `${verifier}x` })).toMatchObject(invalidGrant);
    expect((await exchangeAsGpt(world, back, { code_verifier: verifier })).status).toBe(200);
  });

  it('a code without a challenge refuses a verifier', async () => {
    const back = await signInThrough(world, gptRequest(world));
    expect(await exchangeAsGpt(world, back, { code_verifier: verifier })).toMatchObject(invalidGrant);
  });

  it('knows no plain challenges', async () => {
    expect(
      (await exchangeAsGpt(world, await withChallenge(), { code_verifier: code_challenge })).status,
    ).toBe(400);
    const request = gptRequest(world, { code_challenge, code_challenge_method: 'plain' });
    const back = new URL(locationOf(await new TestBrowser().get(request)));
    expect(back.searchParams.get('error')).toBe('invalid_request');
  });
});
