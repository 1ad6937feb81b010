import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordKey } from './oidc-records.ts';
import { requestToken, signInThrough } from './test-flows.ts';
import { startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ mcp: { dynamicRegistration: true } });
});
afterAll(() => world[Symbol.asyncDispose]());

const redirectUri = 'https://agent.example/callback';

const usual = { redirect_uris: [redirectUri], client_name: 'An agent', scope: 'anything at all' };

async function register(wishes: unknown = usual, text = JSON.stringify(wishes)) {
  const answer = await fetch(`${world.origin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: text,
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as Record<string, string>,
  };
}

const day = 86_400;

describe('a client that registered itself', () => {
  it('is forgotten after a day, or 90 days after its last sign-in', async () => {
    const { client_id: clientId = '' } = (await register()).body;
    const key = recordKey('Client', clientId);
    const left = async () => await world.redis.ttl(key);
    expect(await left()).toBeGreaterThan(day - 60);
    expect(await left()).toBeLessThanOrEqual(day);
    const query = new URLSearchParams({
      ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri, state: 's' },
      ...{ code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' },
    });
    const back = await signInThrough(world, `${world.origin}/oauth/authorize?${query}`);
    const tokens = await requestToken(world, {
      form: {
        ...{ grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri },
        code: back.searchParams.get('code') ?? '',
        code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
      },
    });
    expect(tokens.status).toBe(200);
    expect(await left()).toBeGreaterThan(89 * day);
    await world.redis.del(key);
    const later = await requestToken(world, {
      form: {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: tokens.body.refresh_token,
      },
    });
    expect(later).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  it('gets no secret and cannot be managed', async () => {
    const { status, headers, body } = await register();
    expect(status).toBe(201);
    expect(headers.get('cache-control')).toBe('no-store');
    for (const name of ['client_secret', 'registration_access_token', 'registration_client_uri'])
      expect(body).not.toHaveProperty(name);
  });

  it('is told what became of it, and nothing of what this server does not do', async () => {
    const { body } = await register();
    expect(Object.keys(body).toSorted()).toEqual([
      ...['application_type', 'client_id', 'client_id_issued_at', 'client_name', 'grant_types'],
      ...['redirect_uris', 'response_types', 'token_endpoint_auth_method'],
    ]);
  });

  it.each([
    [{}, 'invalid_redirect_uri', /^redirect_uris: must be an array of addresses$/],
    [[], 'invalid_client_metadata', /^the body must be a JSON object$/],
    [{ redirect_uris: [] }, 'invalid_redirect_uri', /^redirect_uris: at least one/],
    [{ redirect_uris: [5] }, 'invalid_redirect_uri', /^redirect_uris\[0\]: must be an address$/],
    [
      { redirect_uris: ['https://agent.example@evil.example/callback'] },
      'invalid_redirect_uri',
      /^redirect_uris\[0\]: must hold no user name/,
    ],
    [{ ...usual, client_name: 5 }, 'invalid_client_metadata', /^client_name: must be a string$/],
  ])('is told what is wrong: %j', async (wishes, error, description) => {
    const { status, body } = await register(wishes);
    expect([status, body.error]).toEqual([400, error]);
    expect(body.error_description).toMatch(description);
  });

  it.each([
    ...['web+evil://chatgpt.com/callback', 'ftp://chatgpt.com/x', 'JavaScript:alert(1)', 'mailto:a@b.c'],
    ...['we\tb+evil://chatgpt.com/callback', '\u0001web+evil:x', 'matrix:x', 'intent://chatgpt.com/x'],
  ])('is not called back at %j', async (uri) => {
    const { status, body } = await register({ redirect_uris: [uri] });
    expect([status, body.error]).toEqual([400, 'invalid_redirect_uri']);
    expect(body.error_description).toMatch(/^redirect_uris\[0\]: must lead to https/);
  });

  it('is told that its JSON is broken', async () => {
    expect(await register(null, '{"redirect_uris":')).toMatchObject({
      status: 400,
      body: { error: 'invalid_client_metadata', error_description: 'the body is not valid JSON' },
    });
  });

  it('is one of a few per hour and address', async () => {
    for (let count = 0; count < 25; count++) expect((await register({ redirect_uris: [] })).status).toBe(400);
    let last = await register();
    for (let count = 0; count < 25 && last.status === 201; count++) last = await register();
    expect(last.status).toBe(429);
    const others = await world.redis.get('limit:register');
    expect(Number(others)).toBeLessThanOrEqual(20);
  });
});
