import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';
import { decideAtX, exchangeAsGpt, gptRequest, signInThrough } from './test-flows.ts';
import { ada, ben, gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
afterEach(() => world.simulator.faults.clear());

/** Opens the consent page of a request. */
async function openConsent(browser: TestBrowser, request = gptRequest(world)) {
  const url = locationOf(await browser.get(request));
  const page = await browser.get(url);
  return { url, page, token: page.status === 200 ? fieldOf(await page.clone().text(), 'csrf_token') : '' };
}

/** Approves on our page; resolves to the address at X. */
async function approve(browser: TestBrowser, request = gptRequest(world)): Promise<string> {
  const { url, token } = await openConsent(browser, request);
  return locationOf(await browser.post(url, { csrf_token: token, decision: 'approve' }));
}

describe('the consent page (O16)', () => {
  it('comes before X, and a denial goes back to the client without X', async () => {
    const browser = new TestBrowser();
    const { url, token } = await openConsent(browser);
    const denied = await browser.post(url, { csrf_token: token, decision: 'deny' });
    expect(denied.status).toBe(303);
    const back = new URL(locationOf(await browser.get(locationOf(denied))));
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      error: 'access_denied',
      state: 'opaque-state',
      iss: world.publicUrl,
    });
  });

  it('cannot be answered from elsewhere: not without its token, nor with that of another browser', async () => {
    const [browser, attacker] = [new TestBrowser(), new TestBrowser()];
    const [mine, theirs] = [await openConsent(browser), await openConsent(attacker)];
    for (const csrf_token of ['', 'x', theirs.token])
      expect((await browser.post(mine.url, { csrf_token, decision: 'approve' })).status).toBe(400);
    expect((await attacker.post(mine.url, { csrf_token: mine.token, decision: 'approve' })).status).toBe(400);
    expect((await new TestBrowser().get(mine.url)).status).toBe(400);
    expect((await browser.post(mine.url, { csrf_token: mine.token, decision: 'approve' })).status).toBe(303);
  });

  it('is skipped where the same user allowed the same in this browser before, on the way to X', async () => {
    const browser = new TestBrowser();
    await signInThrough(world, gptRequest(world), { browser });
    const atX = locationOf((await openConsent(browser)).page);
    expect(new URL(atX).origin).toBe(world.simulator.url);
    const resume = locationOf(await browser.get(await decideAtX(atX)));
    const back = new URL(locationOf(await browser.get(resume)));
    expect((await exchangeAsGpt(world, back)).status).toBe(200);
  });

  it.each([
    ['another redirect URI', { redirect_uri: gpt.redirectUris[1] }],
    ['other scopes', { scope: 'tweet.read' }],
    ['another resource', { resource: 'MCP' }],
    ['a client that wants to be asked', { prompt: 'consent' }],
  ])('is not skipped for %s', async (_, changes) => {
    const browser = new TestBrowser();
    await signInThrough(world, gptRequest(world), { browser });
    const given = 'resource' in changes ? { resource: `${world.publicUrl}/mcp` } : changes;
    expect((await openConsent(browser, gptRequest(world, given))).page.status).toBe(200);
    expect((await openConsent(new TestBrowser())).page.status, 'nor in another browser').toBe(200);
  });

  it('is shown again once what was allowed has been revoked', async () => {
    const browser = new TestBrowser();
    await signInThrough(world, gptRequest(world), { browser });
    await world.signIn.revokeAccount(ada.id);
    expect((await openConsent(browser)).page.status).toBe(200);
  });

  it('is shown after X, with the name, when another account appears there than the one that allowed it', async () => {
    const browser = new TestBrowser();
    await signInThrough(world, gptRequest(world), { browser });
    const atX = locationOf((await openConsent(browser)).page);
    const answer = await browser.get(await decideAtX(atX, { user: ben.username }));
    const consentUrl = locationOf(answer);
    const page = await (await browser.get(consentUrl)).text();
    expect(page).toContain('use your X account @sandbox_ben?');
    const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
    const back = new URL(locationOf(await browser.get(locationOf(await browser.post(consentUrl, fields)))));
    const { body } = await exchangeAsGpt(world, back);
    expect(await world.signIn.findCaller(body.access_token)).toMatchObject({ accountId: ben.id });
  });

  it('is not offered to clients that forbid any question', async () => {
    const answer = await new TestBrowser().get(gptRequest(world, { prompt: 'none' }));
    expect(new URL(locationOf(answer)).searchParams.get('error')).toBe('login_required');
  });
});

describe('what happens at X (O11, O12)', () => {
  it('a denial there reaches the client as access_denied', async () => {
    const browser = new TestBrowser();
    const callback = await decideAtX(await approve(browser), { decision: 'deny' });
    const back = new URL(locationOf(await browser.get(locationOf(await browser.get(callback)))));
    expect(back.searchParams.get('error')).toBe('access_denied');
    expect(back.origin).toBe('https://chat.openai.com');
  });

  it('an account that is disconnected before the way back reaches the client as access_denied', async () => {
    const browser = new TestBrowser();
    const resume = locationOf(await browser.get(await decideAtX(await approve(browser))));
    await world.signIn.revokeAccount(ada.id);
    const back = new URL(locationOf(await browser.get(resume)));
    expect(back.searchParams.get('error')).toBe('access_denied');
    expect(back.searchParams.get('state')).toBe('opaque-state');
  });

  it.each([
    ['X is down', 'POST /2/oauth2/token', 502, 'X does not answer'],
    ['X does not say who it is', 'GET /2/users/me', 502, 'X does not answer'],
  ])('when %s, a page says so and leads to another try', async (_, endpoint, status, title) => {
    const browser = new TestBrowser();
    const callback = await decideAtX(await approve(browser));
    const { answer } = await import('#apps/x-simulator/fault.ts');
    world.simulator.faults.next(endpoint, answer(503));
    const page = await browser.get(callback);
    expect(page.status).toBe(status);
    const text = await page.text();
    expect(text).toContain(title);
    const retry = /href="(\/oauth\/consent\/[^"]+)"/.exec(text)?.[1] ?? '';
    expect((await browser.get(world.origin + retry)).status).toBe(200);
  });

  it('a code that X does not know is refused with a page', async () => {
    const browser = new TestBrowser();
    const state = new URL(await approve(browser)).searchParams.get('state');
    const page = await browser.get(`${world.origin}/callback?state=${state}&code=forged`);
    expect(page.status).toBe(400);
    expect(await page.text()).toContain('X did not accept the sign-in');
  });

  it.each([
    ['a long error', `error=${'x'.repeat(10_000)}`],
    [
      'an error with markup',
      'error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%22%3E%3Cimg%20src=x%3E',
    ],
    ['neither code nor error', ''],
    ['two codes', 'code=a&code=b'],
    ['NUL', 'code=%00'],
    ['malformed percents', 'code=%ZZ'],
  ])('%s is answered with a safe page', async (_, query) => {
    const browser = new TestBrowser();
    const state = new URL(await approve(browser)).searchParams.get('state');
    const page = await browser.get(`${world.origin}/callback?state=${state}&${query}`);
    expect(page.status).toBe(400);
    const text = await page.text();
    expect(text).not.toMatch(/<script|<img|x{100}/);
  });

  it('a callback that another browser began connects nothing', async () => {
    const callback = await decideAtX(await approve(new TestBrowser()));
    const page = await new TestBrowser().get(callback);
    expect(page.status).toBe(400);
    expect(await page.text()).toContain('This sign-in began elsewhere');
  });
});
