import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consentAsUser } from './mcp-client.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
let origin: string;
let session: Session;
let token: string;

beforeAll(async () => {
  system = await startSystem({ environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  origin = system.url.replace('127.0.0.1', 'localhost');
  session = await system.connect();
  token = (await signIn()).access_token;
});
afterAll(() => system[Symbol.asyncDispose]());

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly scope: string;
}

const redirectUri = 'http://127.0.0.1:38200/callback';
const verifier = 'a-verifier-of-at-least-forty-three-characters-1';

async function register(metadata: object = { redirect_uris: [redirectUri] }) {
  const answer = await fetch(`${origin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

async function authorizationUrl(changes: Record<string, string | undefined>): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const parameters = {
    response_type: 'code',
    redirect_uri: redirectUri,
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
    state: 's',
    resource: `${origin}/mcp`,
    ...changes,
  };
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] satisfies [string, string]],
  );
  return `${origin}/oauth/authorize?${new URLSearchParams(given)}`;
}

async function askForTokens(form: Record<string, string>) {
  const answer = await fetch(`${origin}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) });
  return { status: answer.status, body: (await answer.json()) as Tokens & { error?: string } };
}

/** Tokens of a client that registered itself. */
async function signIn(
  changes: Record<string, string | undefined> = {},
): Promise<Tokens & { clientId: string }> {
  const clientId = (await register()).body.client_id ?? '';
  const back = await consentAsUser(await authorizationUrl({ client_id: clientId, ...changes }));
  expect(back.searchParams.get('iss')).toBe(origin);
  const { body } = await askForTokens({
    grant_type: 'authorization_code',
    code: back.searchParams.get('code') ?? '',
    client_id: clientId,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...(changes.resource === undefined && 'resource' in changes ? {} : { resource: `${origin}/mcp` }),
  });
  return { ...body, clientId };
}

const modern = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly result?: Record<string, unknown>;
    readonly error?: { readonly code: number; readonly message: string };
    readonly code?: string;
  };
}

/** A request of 2026-07-28 as it stands on the wire. */
async function send(
  message: { method: string; params?: Record<string, unknown> },
  headers: Record<string, string> = {},
  bearer = token,
): Promise<Reply> {
  const { method, params = {} } = message;
  const name = typeof params.name === 'string' ? { 'mcp-name': params.name } : {};
  const answer = await fetch(`${origin}/mcp`, {
    method: 'POST',
    headers: {
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...name,
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta: modern, ...params } }),
  });
  return { status: answer.status, headers: answer.headers, body: JSON.parse((await answer.text()) || '{}') };
}

const call = (name: string, args: object = {}, bearer = token) =>
  send({ method: 'tools/call', params: { name, arguments: args } }, {}, bearer);

describe('the door', () => {
  it('describes itself, so that a client finds whom to ask for a token', async () => {
    for (const path of [
      '/.well-known/oauth-protected-resource/mcp',
      '/.well-known/oauth-protected-resource',
    ]) {
      const metadata = await (await fetch(origin + path)).json();
      expect(metadata).toMatchObject({ resource: `${origin}/mcp`, authorization_servers: [origin] });
    }
    const server = await (await fetch(`${origin}/.well-known/oauth-authorization-server`)).json();
    expect(server).toMatchObject({
      issuer: origin,
      client_id_metadata_document_supported: true,
      registration_endpoint: `${origin}/oauth/register`,
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: expect.arrayContaining(['none', 'private_key_jwt']),
      authorization_response_iss_parameter_supported: true,
    });
  });

  it.each(['POST', 'GET', 'DELETE'])('answers a %s without a token with the way to one', async (method) => {
    const answer = await fetch(`${origin}/mcp`, { method });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="tweet.read tweet.write users.read media.write offline.access"`,
    );
  });

  it('takes no token of the HTTP API, and the HTTP API none of its own', async () => {
    const here = await call('get_account', {}, session.accessToken);
    expect(here.status).toBe(401);
    expect(here.headers.get('www-authenticate')).toMatch(/error="invalid_token".*resource_metadata=/);
    const there = await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(there.status).toBe(401);
    // A sign-in that names no resource is one for the HTTP API.
    const unbound = await signIn({ resource: undefined });
    expect((await call('get_account', {}, unbound.access_token)).status).toBe(401);
  });

  it('takes no refresh token and no revoked token', async () => {
    const tokens = await signIn();
    expect((await call('get_account', {}, tokens.refresh_token)).status).toBe(401);
    expect((await call('get_account', {}, tokens.access_token)).status).toBe(200);
    await fetch(`${origin}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: tokens.refresh_token, client_id: tokens.clientId }),
    });
    expect((await call('get_account', {}, tokens.access_token)).status).toBe(401);
  });

  it.each([
    ['http://evil.example', 403],
    ['null', 403],
    ['https://localhost.evil.example', 403],
    [undefined, 200],
  ])('from Origin %s is %i', async (foreign, status) => {
    const answer = await send({ method: 'tools/list' }, foreign === undefined ? {} : { origin: foreign });
    expect(answer.status).toBe(status);
  });

  it('asks for more rights where a token carries too few', async () => {
    const reading = await signIn({ scope: 'tweet.read users.read' });
    expect((await call('get_account', {}, reading.access_token)).status).toBe(200);
    const refused = await call('post_tweet', { text: 'No' }, reading.access_token);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toMatch(
      /^Bearer error="insufficient_scope", scope="[^"]*tweet\.write[^"]*", resource_metadata="/,
    );
  });

  it.each([
    ['mcp-method', 'tools/list'],
    ['mcp-name', 'delete_tweet'],
    ['mcp-protocol-version', '2025-11-25'],
  ])('refuses a call whose header %s says something else than its body', async (header, value) => {
    const answer = await send({ method: 'tools/call', params: { name: 'get_account' } }, { [header]: value });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: -32020 } } });
  });

  it('answers what is no JSON, or JSON with a name twice, as a parse error', async () => {
    for (const body of ['{', '{"jsonrpc":"2.0","jsonrpc":"2.0"}']) {
      const answer = await fetch(`${origin}/mcp`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
      });
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32700 } });
    }
  });

  it('has no stream to open and no session to end', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await fetch(`${origin}/mcp`, { method, headers: { authorization: `Bearer ${token}` } });
      expect(answer.status).toBe(405);
    }
  });

  it('says the most important things in the first 512 characters of its instructions', async () => {
    const { body } = await send({ method: 'server/discover' });
    const start = String(body.result?.instructions).slice(0, 512);
    for (const word of ['request_id', 'get_job', 'published, failed, canceled, unconfirmed'])
      expect(start).toContain(word);
  });

  it('names no tool that does not exist', async () => {
    expect((await call('disconnect')).body.error).toMatchObject({ code: -32602 });
  });
});

describe('a client that comes by itself', () => {
  it('is public, needs S256, and gets new refresh tokens', async () => {
    const { status, body } = await register({
      redirect_uris: [redirectUri],
      client_name: 'An agent',
      token_endpoint_auth_method: 'client_secret_post',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ token_endpoint_auth_method: 'none', client_name: 'An agent' });
    expect(body).not.toHaveProperty('client_secret');
    const clientId = body.client_id ?? '';
    const plain = await fetch(
      await authorizationUrl({
        client_id: clientId,
        code_challenge: undefined,
        code_challenge_method: undefined,
      }),
      {
        redirect: 'manual',
      },
    );
    expect(plain.headers.get('location')).toContain('error=invalid_request');
    const tokens = await signIn();
    const refresh = { grant_type: 'refresh_token', client_id: tokens.clientId };
    const first = await askForTokens({ ...refresh, refresh_token: tokens.refresh_token });
    expect(first.body.refresh_token).not.toBe(tokens.refresh_token);
    const again = await askForTokens({ ...refresh, refresh_token: tokens.refresh_token });
    expect(again.status).toBe(200);
    expect((await call('get_account', {}, again.body.access_token)).status).toBe(200);
  });

  it('may come back to any port of its machine, and to no other place', async () => {
    const clientId = (await register()).body.client_id ?? '';
    const moved = await fetch(
      await authorizationUrl({ client_id: clientId, redirect_uri: 'http://127.0.0.1:40404/callback' }),
      {
        redirect: 'manual',
      },
    );
    expect(moved.headers.get('location')).toContain('/oauth/consent/');
    for (const redirect of ['http://evil.example/callback', 'http://127.0.0.1:38200/other']) {
      const answer = await fetch(await authorizationUrl({ client_id: clientId, redirect_uri: redirect }), {
        redirect: 'manual',
      });
      expect(answer.status).toBe(400);
    }
  });

  it.each([
    [{}],
    [{ redirect_uris: [] }],
    [{ redirect_uris: ['http://evil.example/callback'] }],
    [{ redirect_uris: ['javascript:alert(1)'] }],
    [{ redirect_uris: ['https://a.example/#fragment'] }],
    [{ redirect_uris: [redirectUri], client_name: 'x'.repeat(101) }],
  ])('is refused with %j', async (metadata) => {
    const { status, body } = await register(metadata);
    expect(status).toBe(400);
    expect(body.error).toMatch(/^invalid_(client_metadata|redirect_uri)$/);
  });

  it('cannot ask for another resource', async () => {
    const clientId = (await register()).body.client_id ?? '';
    const answer = await fetch(
      await authorizationUrl({ client_id: clientId, resource: 'https://other.example/mcp' }),
      {
        redirect: 'manual',
      },
    );
    expect(answer.headers.get('location')).toContain('error=invalid_target');
  });
});

describe('messages that come together', () => {
  it('each count', async () => {
    const { access_token } = await signIn();
    const batch = Array.from({ length: 100 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' }));
    const statuses: number[] = [];
    for (let time = 0; time < 13; time++) {
      const answer = await fetch(`${origin}/mcp`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${access_token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify(batch),
      });
      statuses.push(answer.status);
      await answer.body?.cancel();
    }
    expect(statuses.at(-1)).toBe(429);
  });
});
