import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locationOf, TestBrowser } from './test-browser.ts';
import {
  decideAtX,
  exchangeAsGpt,
  gptRequest,
  requestToken,
  signInDirectly,
  signInThrough,
} from './test-flows.ts';
import { ada, startWorld } from './test-world.ts';

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const world = async (...options: Parameters<typeof startWorld>) => stack.use(await startWorld(...options));

describe('behind a proxy that ends TLS', () => {
  const publicUrl = 'https://post.example';

  it('every address and the issuer come from PUBLIC_URL, whatever the request’s headers say (O22)', async () => {
    const { origin } = await world({ publicUrl });
    const lies = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      forwarded: 'host=evil.example;proto=http',
      'x-original-url': '/evil',
    };
    const metadata = await (
      await fetch(`${origin}/.well-known/oauth-authorization-server`, { headers: lies })
    ).text();
    expect(metadata).not.toContain('evil');
    expect(JSON.parse(metadata)).toMatchObject({
      issuer: publicUrl,
      token_endpoint: `${publicUrl}/oauth/token`,
    });
    const begun = await (await new TestBrowser('*/*').get(`${origin}/startAuth`, lies)).json();
    const { searchParams } = new URL(Object(begun).authorization_url);
    expect(searchParams.get('redirect_uri')).toBe(`${publicUrl}/callback`);
  });

  it('cookies are Secure and bound to the host, and a GPT signs in', async () => {
    const here = await world({ publicUrl });
    const begun = await new TestBrowser().get(`${here.origin}/startAuth`);
    const [cookie] = begun.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-post-to-x=.{43}; path=\/; .*secure/i);
    expect(cookie).toMatch(/httponly/i);
    expect(cookie).toMatch(/samesite=lax/i);
    expect(cookie).not.toMatch(/domain/i);
    const authorize = await new TestBrowser().get(gptRequest(here));
    for (const line of authorize.headers.getSetCookie()) expect(line).toMatch(/; secure.*httponly/i);
    const browser = new TestBrowser();
    await signInThrough(here, gptRequest(here), { browser });
    const consentUrl = here.local(locationOf(await browser.get(gptRequest(here))));
    const callback = await decideAtX(locationOf(await browser.get(consentUrl)));
    const resume = locationOf(await browser.get(here.local(callback)));
    expect(new URL(resume).origin).toBe(publicUrl);
    const back = new URL(locationOf(await browser.get(here.local(resume))));
    expect(back.searchParams.get('iss')).toBe(publicUrl);
    expect((await exchangeAsGpt(here, back)).status).toBe(200);
  });
});

describe('an operator', () => {
  it.each([
    ['by username', ['sandbox_ben']],
    ['by id', ['1450000000000000002']],
  ])('decides %s who may connect, and what X gave for others is revoked', async (_, allowedXUsers) => {
    const here = await world({ allowedXUsers });
    expect(await signInDirectly(here, 'sandbox_ben')).toMatchObject({ account: { username: 'sandbox_ben' } });
    const program = new TestBrowser('*/*');
    const begun = Object(await (await program.get(`${here.origin}/startAuth`)).json());
    here.simulator.state.requests.clear();
    const refused = await program.get(await decideAtX(begun.authorization_url));
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ code: 'account_not_allowed' });
    const revocations = here.simulator.state.requests.all.filter(({ path }) => path === '/2/oauth2/revoke');
    expect(revocations).toHaveLength(2);
    const browser = new TestBrowser();
    const page = await browser.get(
      await decideAtX(locationOf(await browser.get(`${here.origin}/startAuth`))),
    );
    expect(page.status).toBe(403);
    expect(await page.text()).toContain('@sandbox_ada is not among them');
    expect(await here.redis.keys(`*${ada.id}*`)).toEqual([]);
  });

  it('may have registered another callback path at X', async () => {
    const here = await world({
      publicUrl: 'https://post.example',
      redirectUri: 'https://post.example/x/return',
    });
    const program = new TestBrowser('*/*');
    const begun = Object(await (await program.get(`${here.origin}/startAuth`)).json());
    const callback = await decideAtX(begun.authorization_url);
    expect(new URL(callback).pathname).toBe('/x/return');
    expect((await program.get(here.local(callback))).status).toBe(200);
  });

  it('may do without a GPT', async () => {
    const here = await world({ gpt: null });
    expect((await new TestBrowser().get(gptRequest(here))).status).toBe(400);
    expect(await signInDirectly(here)).toMatchObject({ account: { id: ada.id } });
  });
});

describe('two processes of the API', () => {
  it('share sign-ins, tokens and consent', async () => {
    const first = await world();
    const connected = await signInDirectly(first);
    const second = await world({ redis: first.redis, publicUrl: first.publicUrl });
    expect(await second.signIn.findCaller(connected.access_token)).toMatchObject({ accountId: ada.id });
    const browser = new TestBrowser();
    const consentUrl = locationOf(await browser.get(gptRequest(first)));
    expect((await browser.get(consentUrl.replace(first.origin, second.origin))).status).toBe(200);
  });
});

describe('two deployments on one Redis', () => {
  it('do not take each other’s tokens (O21)', async () => {
    const first = await world();
    const second = await world({ redis: first.redis, publicUrl: 'https://other.example' });
    const { access_token } = await signInDirectly(first);
    expect(await first.signIn.findCaller(access_token)).not.toBeNull();
    expect(await second.signIn.findCaller(access_token)).toBeNull();
  });
});

describe('while Redis is away', () => {
  it('sign-in answers 503 at once, and goes on when it is back', async () => {
    const here = await world();
    const connected = await signInDirectly(here);
    here.redisServer.kill('SIGSTOP');
    try {
      const answers = await Promise.all([
        fetch(`${here.origin}/startAuth`),
        requestToken(here, { json: { refresh_token: connected.refresh_token } }),
        new TestBrowser().get(gptRequest(here)),
      ]);
      for (const { status } of answers) expect(status).toBe(503);
      expect(answers[1].body.error).toBe('temporarily_unavailable');
      expect(await answers[2].text()).toContain('<h1>Temporarily unavailable</h1>');
      await expect(here.signIn.findCaller(connected.access_token)).rejects.toMatchObject({
        code: 'unavailable',
      });
    } finally {
      here.redisServer.kill('SIGCONT');
    }
    await expect
      .poll(
        async () => (await requestToken(here, { json: { refresh_token: connected.refresh_token } })).status,
      )
      .toBe(200);
  });
});
