import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decideAtX } from '#apps/api/sign-in/test-flows.ts';
import { everyScope, gpt, startWorld, type World } from '#apps/api/sign-in/test-world.ts';
import { type ValidatingFetch, validatingFetch } from './openapi-fetch.ts';

const browser = { accept: 'text/html,application/xhtml+xml' };

describe('sign-in answers as openapi.yaml says', () => {
  let world: World;
  let api: ValidatingFetch;
  beforeAll(async () => {
    world = await startWorld();
    api = validatingFetch(world.origin);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  async function signIn(headers: Record<string, string> = {}): Promise<Response> {
    const started = await api('/startAuth');
    const cookie = started.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const { authorization_url: atX } = (await started.json()) as { authorization_url: string };
    return await api(await decideAtX(atX), { headers: { ...headers, cookie }, redirect: 'manual' });
  }

  const post = (path: string, body: URLSearchParams | object) =>
    body instanceof URLSearchParams
      ? api(path, { method: 'POST', body })
      : api(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });

  it('from the start to new tokens and their end, for a program', async () => {
    const signedIn = (await (await signIn()).json()) as { refresh_token: string };
    const refreshed = await post('/oauth/refresh', { refresh_token: signedIn.refresh_token });
    expect(refreshed.status).toBe(200);
    const { refresh_token: token } = (await refreshed.json()) as { refresh_token: string };
    expect((await post('/oauth/revoke', { token })).status).toBe(200);
    expect((await post('/oauth/refresh', { refresh_token: token })).status).toBe(400);
  });

  it('for a browser, which is shown a one-time code', async () => {
    expect((await api('/startAuth', { headers: browser, redirect: 'manual' })).status).toBe(303);
    const page = await (await signIn(browser)).text();
    const code = /value="([^"]{20,})"/.exec(page)?.[1];
    const tokens = await post('/oauth/token', { code });
    expect(await tokens.json()).toMatchObject({ scope: everyScope });
  });

  it('when a token request is refused', async () => {
    const grant = { grant_type: 'authorization_code', code: 'x', redirect_uri: gpt.redirectUris[0] };
    const right = { ...grant, client_id: gpt.clientId, client_secret: gpt.clientSecret };
    expect((await post('/oauth/token', new URLSearchParams(right))).status).toBe(400);
    const wrong = { ...right, client_secret: 'a wrong one' };
    expect((await post('/oauth/token', new URLSearchParams(wrong))).status).toBe(401);
    const text = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'code=x' };
    expect((await api('/oauth/token', text)).status).toBe(415);
    expect((await post('/oauth/token', { code: 'x'.repeat(70_000) })).status).toBe(413);
  });

  it('when an authorization request begins, and when it is refused', async () => {
    const ask = (changes: Record<string, string>, headers: Record<string, string>) => {
      const right = { response_type: 'code', client_id: gpt.clientId, redirect_uri: gpt.redirectUris[0] };
      const query = new URLSearchParams({ ...right, state: 's', ...changes });
      return api(`/oauth/authorize?${query}`, { headers, redirect: 'manual' });
    };
    expect((await ask({}, browser)).status).toBe(303);
    expect((await ask({ client_id: 'nobody' }, browser)).status).toBe(400);
    expect((await ask({ redirect_uri: 'https://example.com/' }, {})).status).toBe(400);
  });

  it('about itself', async () => {
    const answer = await api('/.well-known/oauth-authorization-server');
    expect(await answer.json()).toMatchObject({ issuer: world.publicUrl });
  });
});
