import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { actThenDrop, actThenDropHalfAnswered, answer } from '#apps/x-simulator/fault.ts';
import { startSimulator } from '#apps/x-simulator/simulator.ts';
import { failure } from '../../test/failure.ts';
import { XAnswerError, XUnreachableError } from './errors.ts';
import { createXOAuth, requestedScope, type XOAuthOptions } from './oauth.ts';
import { patience } from './test-x.ts';

const redirectUri = 'http://127.0.0.1:5000/callback';
const client = { id: 'client_1-a', secret: 'a-_+/=%:é', redirectUris: [redirectUri] };
const tokenEndpoint = 'POST /2/oauth2/token';

let simulator: Awaited<ReturnType<typeof startSimulator>>;
beforeAll(async () => {
  simulator = await startSimulator({ clients: [client] });
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator.reset();
});
afterAll(() => simulator[Symbol.asyncDispose]());

const open = (more: Partial<XOAuthOptions> = {}) =>
  createXOAuth({
    apiUrl: simulator.url,
    authorizeUrl: `${simulator.url}/i/oauth2/authorize`,
    clientId: client.id,
    clientSecret: client.secret,
    redirectUri,
    now: () => 1_000_000,
    ...more,
  });

/** What a person does on X's page: returns the code that comes back with the same state. */
async function allow(request: { url: string; state: string }): Promise<string> {
  const body = new URL(request.url).searchParams;
  body.set('username', 'sandbox_ada');
  body.set('decision', 'allow');
  const page = `${simulator.url}/i/oauth2/authorize`;
  const response = await fetch(page, { method: 'POST', body, redirect: 'manual' });
  const back = new URL(response.headers.get('location') ?? '').searchParams;
  expect(back.get('state')).toBe(request.state);
  return back.get('code') ?? '';
}

async function signIn(oauth = open()) {
  const request = await oauth.authorizationRequest();
  return oauth.exchange({ code: await allow(request), codeVerifier: request.codeVerifier });
}

/** A token endpoint that gives one scripted answer and notes what it was asked. */
async function startTokenEndpoint(status: number, body: unknown, contentType = 'application/json') {
  const seen: { closed: Promise<unknown>; headers: IncomingHttpHeaders; form: Record<string, string> }[] = [];
  const server = createServer(async (request, response) => {
    seen.push({
      closed: once(request.socket, 'close'),
      headers: request.headers,
      form: Object.fromEntries(new URLSearchParams(await text(request))),
    });
    response.writeHead(status, { 'content-type': contentType, location: '/elsewhere', ...patience });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.keepAliveTimeout = 0;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    oauth: open({ apiUrl: `http://127.0.0.1:${port}` }),
    seen,
    async [Symbol.asyncDispose]() {
      await once(server.close(), 'close');
    },
  };
}

test('the authorization request is what X documents, with a new secret each time', async () => {
  const authorizeUrl = 'https://x.com/i/oauth2/authorize';
  const oauth = open({ apiUrl: 'https://api.x.com', authorizeUrl });
  const [one, two] = await Promise.all([oauth.authorizationRequest(), oauth.authorizationRequest()]);
  expect(one.url).toMatch(/^https:\/\/x\.com\/i\/oauth2\/authorize\?/);
  expect(one.url).toContain('scope=tweet.read%20tweet.write%20users.read%20media.write%20offline.access');
  expect(one.url).not.toContain('+');
  expect(Object.fromEntries(new URL(one.url).searchParams)).toEqual({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: redirectUri,
    scope: requestedScope.join(' '),
    state: one.state,
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: 'S256',
  });
  expect(one.url).not.toContain(one.codeVerifier);
  expect(Buffer.from(one.state, 'base64url').length).toBeGreaterThanOrEqual(32);
  expect(two.state).not.toBe(one.state);
  expect(two.codeVerifier).not.toBe(one.codeVerifier);
});

test('a sign-in ends in a token set', async () => {
  const tokenSet = await signIn();
  expect(simulator.state.grants.findAccess(tokenSet.accessToken)).toMatchObject({
    userId: simulator.state.findUser('sandbox_ada')?.id,
  });
  expect(tokenSet.expiresAt).toBe(1_000_000 + 7_200_000);
  expect([...tokenSet.scope].sort()).toEqual([...requestedScope].sort());
  expect(tokenSet.refreshToken).toEqual(expect.any(String));
});

test('a code works once, and only with its verifier', async () => {
  const oauth = open();
  const request = await oauth.authorizationRequest();
  const code = await allow(request);
  const wrong = await failure(oauth.exchange({ code, codeVerifier: 'x'.repeat(43) }));
  expect(wrong).toBeInstanceOf(XAnswerError);
  expect(wrong).toMatchObject({
    status: 400,
    oauthError: 'invalid_request',
    detail: 'Value passed for the authorization code was invalid.',
  });
});

test('a refresh gives a new pair; the used token is refused as X refuses it', async () => {
  const oauth = open();
  const first = await signIn(oauth);
  const second = await oauth.refresh(first.refreshToken ?? '');
  expect(second.refreshToken).not.toBe(first.refreshToken);
  expect(simulator.state.grants.findAccess(second.accessToken)).not.toBeNull();
  expect(await failure(oauth.refresh(first.refreshToken ?? ''))).toMatchObject({
    status: 400,
    oauthError: 'invalid_request',
    detail: 'Value passed for the token was invalid.',
  });
});

test('a revoked token is dead', async () => {
  const oauth = open();
  const { accessToken, refreshToken } = await signIn(oauth);
  await oauth.revoke(accessToken, 'access_token');
  expect(simulator.state.grants.findAccess(accessToken)).toBeNull();
  await oauth.revoke(refreshToken ?? '', 'refresh_token');
  expect(await failure(oauth.refresh(refreshToken ?? ''))).toBeInstanceOf(XAnswerError);
});

test('a wrong secret is told as our own fault', async () => {
  const error = await failure(open({ clientSecret: 'wrong' }).refresh('rt'));
  expect(error).toMatchObject({ status: 401, oauthError: 'unauthorized_client' });
});

test('credentials go as Basic, unchanged, and the client id in the form', async () => {
  await using endpoint = await startTokenEndpoint(200, { token_type: 'bearer', access_token: 'a' });
  await endpoint.oauth.refresh('rt 1&2');
  const [{ headers, form } = expect.fail()] = endpoint.seen;
  expect(headers.authorization).toBe(
    `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
  );
  expect(headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
  expect(form).toEqual({ grant_type: 'refresh_token', refresh_token: 'rt 1&2', client_id: client.id });
});

test('a token is presented over a connection of its own, which is closed with the answer', async () => {
  await using endpoint = await startTokenEndpoint(200, { token_type: 'bearer', access_token: 'a' });
  await endpoint.oauth.refresh('rt');
  await endpoint.seen[0]?.closed;
});

test('the exchange sends the redirect URI as it is configured, byte for byte', async () => {
  await using endpoint = await startTokenEndpoint(200, { token_type: 'bearer', access_token: 'a' });
  await endpoint.oauth.exchange({ code: 'c', codeVerifier: 'v' });
  expect(endpoint.seen[0]?.form).toEqual({
    grant_type: 'authorization_code',
    code: 'c',
    redirect_uri: redirectUri,
    code_verifier: 'v',
    client_id: client.id,
  });
});

test.each<[string, number, unknown, string?]>([
  ['without what is optional', 200, {}],
  ['with another status', 201, {}],
  ['with another content type', 200, {}, 'text/plain'],
  ['with an upper-case type', 200, { token_type: 'Bearer' }],
])('a token answer %s is not thrown away', async (_name, status, more, contentType) => {
  const body = { token_type: 'bearer', access_token: 'at', ...Object(more) };
  await using endpoint = await startTokenEndpoint(status, body, contentType);
  expect(await endpoint.oauth.refresh('rt')).toEqual({
    accessToken: 'at',
    // RFC 6749 section 6: none given, so the old one stays.
    refreshToken: 'rt',
    expiresAt: 1_000_000 + 7_200_000,
    lifetimeMs: 7_200_000,
    scope: [],
  });
});

test('a lifetime is read as a number or as text, a scope as a list', async () => {
  const body = {
    token_type: 'bearer',
    access_token: 'at',
    expires_in: '60',
    scope: 'b  a',
    refresh_token: 'r2',
  };
  await using endpoint = await startTokenEndpoint(200, body);
  expect(await endpoint.oauth.refresh('rt')).toEqual({
    accessToken: 'at',
    refreshToken: 'r2',
    expiresAt: 1_060_000,
    lifetimeMs: 60_000,
    scope: ['b', 'a'],
  });
});

test.each<[string, unknown]>([
  ['HTML', '<html>'],
  ['empty', ''],
  ['without a token', { token_type: 'bearer' }],
])('a success that is %s leaves the outcome open', async (_name, body) => {
  await using endpoint = await startTokenEndpoint(200, body);
  const error = await failure(endpoint.oauth.refresh('rt'));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({ sent: true });
});

test('a redirect is an error and is not followed', async () => {
  await using endpoint = await startTokenEndpoint(307, '');
  expect(await failure(endpoint.oauth.refresh('rt'))).toMatchObject({ name: 'XAnswerError', status: 307 });
  expect(endpoint.seen).toHaveLength(1);
});

test.each([actThenDrop(), actThenDropHalfAnswered()])(
  'an answer lost on its way leaves the outcome open',
  async (fault) => {
    const oauth = open();
    const { refreshToken } = await signIn(oauth);
    simulator.faults.next(tokenEndpoint, fault);
    const error = await failure(oauth.refresh(refreshToken ?? ''));
    expect(error).toBeInstanceOf(XUnreachableError);
    expect(error).toMatchObject({ sent: true });
  },
);

test('a refused connection is proof that nothing was sent', async () => {
  const error = await failure(open({ apiUrl: 'http://127.0.0.1:1' }).refresh('rt'));
  expect(error).toBeInstanceOf(XUnreachableError);
  expect(error).toMatchObject({ sent: false });
});

test('X being down is told with its status', async () => {
  simulator.faults.next(tokenEndpoint, answer(503, '<html>'));
  expect(await failure(open().refresh('rt'))).toMatchObject({ status: 503, oauthError: null });
});

test('no error names a secret or a token', async () => {
  const errors = [
    await failure(open({ apiUrl: 'http://127.0.0.1:1' }).refresh('canary-token')),
    await failure(open({ clientSecret: 'canary-secret' }).refresh('canary-token')),
  ];
  for (const error of errors) expect(JSON.stringify(error) + String(error)).not.toContain('canary');
});
