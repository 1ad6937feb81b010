import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownClientId } from './clients.ts';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';
import { decideAtX, requestToken, signInDirectly } from './test-flows.ts';
import { ada, ben, everyScope, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A browser at the end of its sign-in. */
async function connectInBrowser(browser = new TestBrowser()): Promise<Response> {
  const atX = locationOf(await browser.get(`${world.origin}/startAuth`));
  return browser.get(world.local(await decideAtX(atX)));
}

describe('a sign-in of a program', () => {
  it('gets the address at X and its state, and at the end tokens that stand for the account', async () => {
    const connected = await signInDirectly(world);
    expect(connected).toMatchObject({ account: ada, scope: everyScope, expires_in: 3600 });
    expect(Math.abs(Date.parse(connected.expires_at) - Date.now() - 3_600_000)).toBeLessThan(5000);
    expect(await world.signIn.findCaller(connected.access_token)).toEqual({
      accountId: ada.id,
      clientId: ownClientId,
      scope: everyScope.split(' '),
      audience: 'rest',
      account: expect.objectContaining({ id: ada.id, username: ada.username, state: 'connected' }),
    });
  });

  it('goes to X with S256, a state of its own, and to the token endpoint with Basic and the verifier', async () => {
    world.simulator.state.requests.clear();
    const program = new TestBrowser('application/json');
    const begun = await (await program.get(`${world.origin}/startAuth`)).json();
    expect(begun).toEqual({
      authorization_url: expect.any(String),
      state: expect.stringMatching(/^.{43,}$/),
    });
    const url = new URL(Object(begun).authorization_url);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: 'x-client',
      redirect_uri: `${world.publicUrl}/callback`,
      code_challenge_method: 'S256',
      scope: everyScope,
      state: Object(begun).state,
    });
    await program.get(world.local(await decideAtX(url.href)));
    const [exchange] = world.simulator.state.requests.all.filter(({ path }) => path === '/2/oauth2/token');
    expect(exchange?.headers.authorization).toMatch(/^Basic /);
  });

  it('serves two people at once, each with their own account', async () => {
    const [first, second] = await Promise.all([signInDirectly(world), signInDirectly(world, ben.username)]);
    expect(first.account.id).toBe(ada.id);
    expect(second.account.id).toBe(ben.id);
    expect(await world.signIn.findCaller(second.access_token)).toMatchObject({ accountId: ben.id });
  });

  it('refuses a callback without the cookie, and a state that was used, invented or left out', async () => {
    const program = new TestBrowser('*/*');
    const begin = async () =>
      decideAtX(Object(await (await program.get(`${world.origin}/startAuth`)).json()).authorization_url);
    const callback = world.local(await begin());
    const elsewhere = await new TestBrowser('*/*').get(callback);
    expect(elsewhere.status).toBe(400);
    expect((await program.get(callback)).status, 'it was ended by the attempt without the cookie').toBe(400);
    const good = world.local(await begin());
    expect((await program.get(good)).status).toBe(200);
    expect((await program.get(good)).status).toBe(400);
    for (const query of [
      '',
      '?state=invented&code=x',
      '?code=x',
      '?state=a&state=b&code=x',
      '?error=access_denied',
    ])
      expect((await program.get(`${world.origin}/callback${query}`)).status).toBe(400);
  });

  it('lasts ten minutes at X, and nothing that would help a thief is stored', async () => {
    const begun = Object(await (await new TestBrowser('*/*').get(`${world.origin}/startAuth`)).json());
    const keys = (await world.redis.keys('authreq:*')).filter(Boolean);
    const texts = await Promise.all(keys.map((key) => world.redis.get(key)));
    for (const key of keys) expect(await world.redis.pttl(key)).toBeGreaterThan(0);
    for (const key of keys) expect(await world.redis.pttl(key)).toBeLessThanOrEqual(600_000);
    expect([...keys, ...texts].join(' ')).not.toContain(begun.state);
  });

  it('says in JSON that the user did not allow it', async () => {
    const program = new TestBrowser('*/*');
    const begun = Object(await (await program.get(`${world.origin}/startAuth`)).json());
    const callback = await decideAtX(begun.authorization_url, { decision: 'deny' });
    const answer = await program.get(world.local(callback));
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'forbidden' });
  });
});

describe('a sign-in in a browser', () => {
  it('goes to X with 303 and ends on a page with the handle and a one-time code', async () => {
    const browser = new TestBrowser();
    const begun = await browser.get(`${world.origin}/startAuth`);
    expect(begun.status).toBe(303);
    expect(begun.headers.getSetCookie().join()).toMatch(
      /^post-to-x=.{43};.*path=\/;.*samesite=lax; httponly$/i,
    );
    const page = await browser.get(world.local(await decideAtX(locationOf(begun))));
    expect(page.headers.get('content-type')).toContain('text/html');
    const text = await page.text();
    expect(text).toContain('@sandbox_ada is connected');
    expect(fieldOf(text, 'code')).toMatch(/^[\w-]{43}$/);
  });

  it.each([
    ['JSON', (code: string) => ({ json: { code } })],
    ['JSON that names the grant', (code: string) => ({ json: { code, grant_type: 'authorization_code' } })],
    ['a form', (code: string) => ({ form: { code } })],
  ])('gives a code that %s exchanges for tokens, once', async (_, sent) => {
    const code = fieldOf(await (await connectInBrowser()).text(), 'code');
    const { status, headers, body } = await requestToken(world, sent(code));
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
      scope: everyScope,
    });
    expect(await world.signIn.findCaller(body.access_token)).toMatchObject({ accountId: ada.id });
    const again = await requestToken(world, sent(code));
    expect([again.status, again.body.error]).toEqual([400, 'invalid_grant']);
    expect(
      await world.signIn.findCaller(body.access_token),
      'whoever had the code first is shut out',
    ).toBeNull();
  });

  it('keeps the code for five minutes', async () => {
    const code = fieldOf(await (await connectInBrowser()).text(), 'code');
    const ttls = await Promise.all(
      (await world.redis.keys('oauth:AuthorizationCode:*')).map((key) => world.redis.ttl(key)),
    );
    expect(code).not.toBe('');
    expect(Math.max(...ttls)).toBeGreaterThan(290);
    expect(Math.max(...ttls)).toBeLessThanOrEqual(300);
  });

  it('can run in two tabs at once', async () => {
    const browser = new TestBrowser();
    const [first, second] = [
      locationOf(await browser.get(`${world.origin}/startAuth`)),
      locationOf(await browser.get(`${world.origin}/startAuth`)),
    ];
    for (const atX of [first, second])
      expect((await browser.get(world.local(await decideAtX(atX)))).status).toBe(200);
  });

  it('shows a page that explains what went wrong, with a link to begin again', async () => {
    const browser = new TestBrowser();
    const atX = locationOf(await browser.get(`${world.origin}/startAuth`));
    const denied = await browser.get(world.local(await decideAtX(atX, { decision: 'deny' })));
    expect(denied.status).toBe(403);
    expect(await denied.text()).toContain('href="/startAuth"');
    const expired = await browser.get(`${world.origin}/callback?state=x&code=y`);
    expect(expired.status).toBe(400);
    expect(await expired.text()).toContain('This sign-in has expired');
  });

  it('says which rights X did not grant', async () => {
    world.simulator.state.settings.withheldScopes = ['media.write'];
    try {
      const page = await (await connectInBrowser()).text();
      expect(page).toContain('X did not grant everything: media.write');
      const { body } = await requestToken(world, { json: { code: fieldOf(page, 'code') } });
      expect(body.scope).toBe(everyScope.replace('media.write ', ''));
    } finally {
      world.simulator.state.settings.withheldScopes = [];
    }
  });
});
