import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

const redirectUri = 'https://app.example/callback';
const verifier = 'a-verifier-that-is-long-enough-0123456789-abcdef';
const challenge = createHash('sha256').update(verifier).digest('base64url');
const basic = { authorization: `Basic ${Buffer.from('app:secret').toString('base64')}` };
const wrongCode = {
  error: 'invalid_request',
  error_description: 'Value passed for the authorization code was invalid.',
};
const wrongToken = { error: 'invalid_request', error_description: 'Value passed for the token was invalid.' };
let now = Date.UTC(2026, 10, 21);
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ now: () => now });
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

function authorizeUrl(change: Record<string, string | null> = {}): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'app',
    redirect_uri: redirectUri,
    scope: 'tweet.read users.read offline.access',
    state: 'the state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  for (const [name, value] of Object.entries(change))
    if (value === null) query.delete(name);
    else query.set(name, value);
  return `${simulator.url}/i/oauth2/authorize?${query}`;
}

function token(fields: Record<string, string>, headers: Record<string, string> = basic) {
  const raw = createRawClient(simulator.url, null);
  return raw.post('/2/oauth2/token', new URLSearchParams(fields), headers);
}

async function newCode(change?: Record<string, string | null>): Promise<string> {
  return (await simulator.authorize(authorizeUrl(change))).searchParams.get('code') ?? '';
}

const exchange = (code: string) => ({
  grant_type: 'authorization_code',
  code,
  redirect_uri: redirectUri,
  code_verifier: verifier,
  client_id: 'app',
});

test('a code gives tokens once', async () => {
  const code = await newCode();
  const first = await token(exchange(code));
  expect(first.status).toBe(200);
  expect(first.json).toEqual({
    token_type: 'bearer',
    expires_in: 7_200,
    access_token: expect.any(String),
    scope: 'tweet.read users.read offline.access',
    refresh_token: expect.any(String),
  });
  expect(await token(exchange(code))).toMatchObject({ status: 400, json: wrongCode });
});

test.each([
  ['after 30 seconds', {}, 30_000],
  ['with another verifier', { code_verifier: `${verifier}x` }, 0],
  ['with another redirect_uri', { redirect_uri: `${redirectUri}/` }, 0],
])('a code is worth nothing %s', async (_when, change, laterMs) => {
  const code = await newCode();
  now += laterMs;
  expect(await token({ ...exchange(code), ...change })).toMatchObject({ status: 400, json: wrongCode });
});

test('a code of one app does not serve another', async () => {
  const other = { authorization: `Basic ${Buffer.from('other:secret').toString('base64')}` };
  const { client_id: _, ...fields } = exchange(await newCode());
  expect(await token(fields, other)).toMatchObject({ status: 400, json: wrongCode });
});

test('a plain challenge is its own verifier', async () => {
  const code = await newCode({ code_challenge: verifier, code_challenge_method: 'plain' });
  expect((await token(exchange(code))).status).toBe(200);
});

test('without offline.access there is no refresh token, and withheld scopes are missing', async () => {
  simulator.state.settings.withheldScopes = ['media.write'];
  const { json } = await token(exchange(await newCode({ scope: 'tweet.read media.write' })));
  expect(json).toMatchObject({ scope: 'tweet.read' });
  expect(json).not.toHaveProperty('refresh_token');
});

test('the client proves itself by Basic or in the body; fields may come as form, JSON or query', async () => {
  const raw = createRawClient(simulator.url, null);
  const inBody = { ...exchange(await newCode()), client_secret: 'secret' };
  expect((await raw.post('/2/oauth2/token', inBody)).status).toBe(200);
  const query = new URLSearchParams(exchange(await newCode()));
  expect((await raw.post(`/2/oauth2/token?${query}`, undefined, basic)).status).toBe(200);
  const { client_id: _, ...noId } = exchange(await newCode());
  expect((await token(noId)).status).toBe(200);
});

test('a client that does not prove itself is refused with the errors of X', async () => {
  const unauthorized = {
    error: 'unauthorized_client',
    error_description: 'Missing valid authorization header',
  };
  expect(await token(exchange('x'), {})).toMatchObject({ status: 401, json: unauthorized });
  expect(await token({ grant_type: 'refresh_token' }, {})).toMatchObject({
    status: 400,
    json: { error_description: 'Missing required parameter [client_id].' },
  });
  expect(await token({ ...exchange('x'), grant_type: 'password' })).toMatchObject({
    status: 400,
    json: { error_description: expect.stringContaining('Grant type should be one of') },
  });
  simulator.state.settings.clients = [{ id: 'app', secret: 'right', redirectUris: [redirectUri] }];
  expect(await token(exchange('x'))).toMatchObject({ status: 401, json: unauthorized });
  const other = { authorization: `Basic ${Buffer.from('other:right').toString('base64')}` };
  expect(await token({ grant_type: 'refresh_token' }, other)).toMatchObject({
    status: 401,
    json: { error: 'invalid_client' },
  });
  await expect(simulator.authorize(authorizeUrl({ redirect_uri: `${redirectUri}?x` }))).rejects.toThrow();
});

test('a refresh token works once; presenting it again kills the family', async () => {
  const first = simulator.signIn('sandbox_ada', { clientId: 'app' });
  const refresh = (value: unknown) => token({ grant_type: 'refresh_token', refresh_token: String(value) });
  const second = await refresh(first.refresh_token);
  expect(second).toMatchObject({ status: 200, json: { expires_in: 7_200 } });
  expect(await refresh(first.refresh_token)).toMatchObject({ status: 400, json: wrongToken });
  expect(await refresh(pick(second.json, 'refresh_token'))).toMatchObject({ status: 400, json: wrongToken });
  const access = String(pick(second.json, 'access_token'));
  expect((await createRawClient(simulator.url, access).get('/2/users/me')).status).toBe(401);
});

test('without family revocation only the used refresh token is dead', async () => {
  simulator.state.settings.familyRevocation = false;
  const first = simulator.signIn('sandbox_ada', { clientId: 'app' });
  const refresh = (value: unknown) => token({ grant_type: 'refresh_token', refresh_token: String(value) });
  const second = await refresh(first.refresh_token);
  expect((await refresh(first.refresh_token)).status).toBe(400);
  expect((await refresh(pick(second.json, 'refresh_token'))).status).toBe(200);
});

test('an access token lives 2 hours and dies with a revoked refresh token', async () => {
  const { access_token, refresh_token = '' } = simulator.signIn('sandbox_ada', { clientId: 'app' });
  const me = () => createRawClient(simulator.url, access_token).get('/2/users/me');
  expect((await me()).status).toBe(200);
  const raw = createRawClient(simulator.url, null);
  const revoked = await raw.post('/2/oauth2/revoke', { token: refresh_token }, basic);
  expect(revoked).toMatchObject({ status: 200, json: { revoked: true } });
  expect((await me()).status).toBe(401);
  const other = createRawClient(simulator.url, simulator.signIn().access_token);
  now += 7_200_000;
  expect(await other.get('/2/users/me')).toMatchObject({
    status: 401,
    json: { title: 'Unauthorized', detail: 'Unauthorized', type: 'about:blank', status: 401 },
  });
});

test('a person who disconnects the app ends all its tokens', async () => {
  const tokens = simulator.signIn('sandbox_ben', { clientId: 'app' });
  simulator.state.grants.disconnect(simulator.state.findUser('sandbox_ben')?.id ?? '');
  expect((await createRawClient(simulator.url, tokens.access_token).get('/2/users/me')).status).toBe(401);
  const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
  expect(await token(fields)).toMatchObject({ status: 400, json: wrongToken });
});

test('app-only tokens and tokens without the scope are refused differently', async () => {
  const appOnly = createRawClient(simulator.url, 'AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid');
  expect(await appOnly.get('/2/users/me')).toMatchObject({
    status: 403,
    json: { title: 'Unsupported Authentication' },
  });
  const { access_token } = simulator.signIn('sandbox_ada', { scope: ['tweet.read', 'users.read'] });
  expect(await createRawClient(simulator.url, access_token).post('/2/tweets', { text: 'x' })).toMatchObject({
    status: 403,
    json: { title: 'Forbidden', detail: 'Forbidden', type: 'about:blank', status: 403 },
  });
});
