import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ownClientId } from './clients.ts';
import { exchangeAsGpt, gptRequest, requestToken, signInDirectly, signInThrough } from './test-flows.ts';
import { ada, everyScope, gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const refresh = (refresh_token: string, extra: Record<string, string> = {}) =>
  requestToken(world, { json: { refresh_token, ...extra }, path: '/oauth/refresh' });

/** Runs with a clock that is ahead; Redis keeps its own time. */
async function later<T>(aheadMs: number, run: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + aheadMs });
  try {
    return await run();
  } finally {
    vi.useRealTimers();
  }
}

describe('refreshing (O08, O09, O18)', () => {
  it.each([
    ['/oauth/refresh', (token: string) => ({ path: '/oauth/refresh', json: { refresh_token: token } })],
    [
      '/oauth/refresh with the old access token',
      (token: string) => ({
        path: '/oauth/refresh',
        json: { refresh_token: token },
        headers: { authorization: 'Bearer whatever' },
      }),
    ],
    [
      '/oauth/refresh as a form',
      (token: string) => ({ path: '/oauth/refresh', form: { refresh_token: token } }),
    ],
    ['/oauth/token with the grant inferred', (token: string) => ({ json: { refresh_token: token } })],
    [
      '/oauth/token by the standard',
      (token: string) => ({
        form: { grant_type: 'refresh_token', refresh_token: token, client_id: ownClientId },
      }),
    ],
  ])('works at %s', async (_, sent) => {
    const connected = await signInDirectly(world);
    const { status, headers, body } = await requestToken(world, sent(connected.refresh_token));
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: everyScope });
    expect(body.refresh_token).not.toBe(connected.refresh_token);
    expect(await world.signIn.findCaller(body.access_token)).toMatchObject({ accountId: ada.id });
  });

  it('ten times at once: every answer works on', async () => {
    const { refresh_token } = await signInDirectly(world);
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refresh_token)));
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(await world.signIn.findCaller(body.access_token)).not.toBeNull();
      expect((await refresh(body.refresh_token)).status).toBe(200);
    }
  });

  it('with a token that was replaced more than a minute ago ends the whole family', async () => {
    const { refresh_token } = await signInDirectly(world);
    const { body } = await refresh(refresh_token);
    expect((await later(50_000, () => refresh(refresh_token))).status, 'a lost answer').toBe(200);
    const stolen = await later(61_000, () => refresh(refresh_token));
    expect([stolen.status, stolen.body.error]).toEqual([400, 'invalid_grant']);
    expect(await world.signIn.findCaller(body.access_token)).toBeNull();
    expect((await refresh(body.refresh_token)).status).toBe(400);
  });

  it('over and over with one token ends the family too', async () => {
    const { refresh_token } = await signInDirectly(world);
    const statuses: number[] = [];
    for (let use = 0; use < 25; use++) statuses.push((await refresh(refresh_token)).status);
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
    expect(statuses.at(-1)).toBe(400);
  });

  it('is for the client that has the token, and for no other', async () => {
    const { refresh_token } = await signInDirectly(world);
    const credentials = { client_id: gpt.clientId, client_secret: gpt.clientSecret };
    expect((await refresh(refresh_token, credentials)).body.error).toBe('invalid_grant');
    const { body } = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world)));
    expect((await refresh(body.refresh_token)).body.error).toBe('invalid_grant');
    expect((await refresh(body.refresh_token, credentials)).status).toBe(200);
  });

  it('may narrow the scope and never widens it', async () => {
    const request = gptRequest(world, { scope: 'tweet.read' });
    const { body } = await exchangeAsGpt(world, await signInThrough(world, request));
    const credentials = { client_id: gpt.clientId, client_secret: gpt.clientSecret };
    const wider = await refresh(body.refresh_token, { ...credentials, scope: 'tweet.read tweet.write' });
    expect([wider.status, wider.body.error]).toEqual([400, 'invalid_scope']);
    const narrower = await refresh(body.refresh_token, { ...credentials, scope: 'tweet.read' });
    expect(narrower.body.scope).toBe('tweet.read');
  });

  it('goes on for 90 days from the last use, for the GPT with the very same token', async () => {
    const dayMs = 86_400_000;
    const { body } = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world)));
    const credentials = { client_id: gpt.clientId, client_secret: gpt.clientSecret };
    const again = await later(80 * dayMs, () => refresh(body.refresh_token, credentials));
    expect([again.status, again.body.refresh_token]).toEqual([200, body.refresh_token]);
    expect((await later(160 * dayMs, () => refresh(body.refresh_token, credentials))).status).toBe(200);
    expect((await later(251 * dayMs, () => refresh(body.refresh_token, credentials))).status).toBe(400);
    const direct = await signInDirectly(world);
    expect((await later(89 * dayMs, () => refresh(direct.refresh_token))).status).toBe(200);
    expect((await later(91 * dayMs, () => refresh(direct.refresh_token))).status).toBe(400);
  });
});

describe('revoking (RFC 7009)', () => {
  it.each(['access_token', 'refresh_token'] as const)('either token ends both: %s', async (kind) => {
    const connected = await signInDirectly(world);
    const revoked = await requestToken(world, { form: { token: connected[kind] }, path: '/oauth/revoke' });
    expect(revoked.status).toBe(200);
    expect(await world.signIn.findCaller(connected.access_token)).toBeNull();
    expect((await refresh(connected.refresh_token)).status).toBe(400);
  });

  const revoke = (token: string) => requestToken(world, { json: { token }, path: '/oauth/revoke' });

  it('an unknown token is no error', async () => {
    expect((await revoke('unknown')).status).toBe(200);
  });

  it('the token of another client is left alone, and whoever tried is told (section 2.1)', async () => {
    const { body } = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world)));
    for (const token of [body.access_token, body.refresh_token])
      expect(await revoke(token)).toMatchObject({
        status: 400,
        body: { error: 'unauthorized_client', error_description: expect.stringContaining('another client') },
      });
    expect(await world.signIn.findCaller(body.access_token)).not.toBeNull();
  });
});
