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

async function register() {
  const answer = await fetch(`${world.origin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], client_name: 'An agent', scope: 'anything at all' }),
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

  it('is one of a few per hour and address', async () => {
    let last = await register();
    for (let count = 0; count < 25 && last.status === 201; count++) last = await register();
    expect(last.status).toBe(429);
    const others = await world.redis.get('limit:register');
    expect(Number(others)).toBeLessThanOrEqual(20);
  });
});
