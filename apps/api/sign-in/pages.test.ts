import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, startChromium } from '../pages/test-chromium.ts';
import { locationOf, TestBrowser } from './test-browser.ts';
import { exchangeAsGpt, gptRequest, requestToken } from './test-flows.ts';
import { ada, gpt, startWorld, type World } from './test-world.ts';

/** The GPT's callback, on a server of its own: what the browser gets to see after a sign-in. */
async function startClient() {
  const arrived: URL[] = [];
  const server = createServer((request, response) => {
    arrived.push(new URL(request.url ?? '', 'http://client'));
    response
      .setHeader('content-type', 'text/html')
      .end(`<p id="referrer">${request.headers.referer ?? ''}</p>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { arrived, server, url: `http://127.0.0.1:${port}/callback` };
}

let world: World;
let client: Awaited<ReturnType<typeof startClient>>;
beforeAll(async () => {
  client = await startClient();
  world = await startWorld({ gpt: { ...gpt, redirectUris: [client.url, ...gpt.redirectUris] } });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  client.server.closeAllConnections();
  client.server.close();
});

describe('the headers of every sign-in page (O13-O15)', () => {
  it.each([
    ['consent', async () => new TestBrowser().get(gptRequest(world))],
    ['wrong client', async () => new TestBrowser().get(gptRequest(world, { client_id: 'nobody' }))],
    ['expired', async () => new TestBrowser().get(`${world.origin}/callback?state=x`)],
  ])('%s: not stored, not framed, not referred, nothing from elsewhere', async (name, open) => {
    let page = await open();
    if (name === 'consent') {
      const browser = new TestBrowser();
      page = await browser.get(locationOf(await browser.get(gptRequest(world))));
    }
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
    });
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(policy).not.toMatch(/unsafe-|\*/);
    expect(await page.text()).not.toMatch(/<(script|img|link)[^>]+(src|href)="(https?:)?\/\//);
  });
});

describe.skipIf(!hasChromium)('in a real browser (Chromium, where it is installed)', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser?.close());

  /** A fresh browser profile, and what its console complained about. */
  async function openPage(colorScheme: 'light' | 'dark' = 'light', width = 390) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('Failed to load resource'))
        complaints.push(message.text());
    });
    return { page, complaints };
  }

  const fits = (page: Page) => page.evaluate('document.documentElement.scrollWidth <= innerWidth');

  it('a newcomer signs a GPT in with two clicks: ours and X’s', async () => {
    const { page, complaints } = await openPage();
    await page.goto(gptRequest(world, { redirect_uri: client.url }));
    await page.getByRole('heading', { name: 'Allow ChatGPT to use your X account?' }).waitFor();
    expect(await fits(page)).toBe(true);
    await page.getByRole('button', { name: 'Continue to X' }).click();
    await page.waitForURL(/\/i\/oauth2\/authorize/);
    await page
      .getByRole('button', { name: /authorize|allow/i })
      .first()
      .click();
    await page.waitForURL(/\/callback\?code=/);
    expect(await page.locator('#referrer').textContent()).toBe('');
    const back =
      client.arrived.findLast(({ pathname }) => pathname === '/callback') ?? new URL('http://nowhere');
    const { body } = await exchangeAsGpt(world, back, { redirect_uri: client.url });
    expect(await world.signIn.findCaller(body.access_token)).toMatchObject({ clientId: gpt.clientId });
    expect(complaints).toEqual([]);
  });

  it('a cancel goes back to the client, by keyboard too', async () => {
    const { page, complaints } = await openPage('dark');
    await page.goto(gptRequest(world, { redirect_uri: client.url }));
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Continue to X');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(/error=access_denied/);
    expect(complaints).toEqual([]);
  });

  it('a browser that came to 127.0.0.1 where the server is known as localhost ends well all the same', async () => {
    const redirectUris = [client.url];
    await using here = await startWorld({ publicUrl: 'http://localhost:0', gpt: { ...gpt, redirectUris } });
    const { page } = await openPage();
    await page.goto(`${here.origin}/startAuth`);
    await page
      .getByRole('button', { name: /authorize|allow/i })
      .first()
      .click();
    await page.getByRole('heading', { name: `@${ada.username} is connected` }).waitFor();
    await page.goto(gptRequest(here, { redirect_uri: client.url, state: 'a b+c' }));
    await page.getByRole('button', { name: 'Continue to X' }).click();
    await page
      .getByRole('button', { name: /authorize|allow/i })
      .first()
      .click();
    await page.waitForURL(/\/callback\?code=.*state=a%20b%2Bc/);
  });

  it.each(['light', 'dark'] as const)(
    'the connected page shows a code that can be copied, %s',
    async (scheme) => {
      const { page, complaints } = await openPage(scheme, 320);
      await page.goto(`${world.origin}/startAuth`);
      await page
        .getByRole('button', { name: /authorize|allow/i })
        .first()
        .click();
      await page.getByRole('heading', { name: `@${ada.username} is connected` }).waitFor();
      expect(await fits(page)).toBe(true);
      const code = await page.getByLabel('One-time code').inputValue();
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('button', { name: 'Copy the code' }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(code);
      expect((await requestToken(world, { json: { code } })).status).toBe(200);
      expect(complaints).toEqual([]);
    },
  );

  it.each(['light', 'dark'] as const)(
    'text has enough contrast and pages a language, a title and one heading, %s',
    async (scheme) => {
      const { page } = await openPage(scheme);
      await page.goto(gptRequest(world));
      expect(await page.evaluate('document.documentElement.lang')).toBe('en');
      expect(await page.title()).toContain('Allow ChatGPT?');
      expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
      expect(await page.getByRole('main').count()).toBe(1);
      for (const selector of ['h1', 'li', '.soft', 'button.main', 'button:not(.main)'])
        expect(await page.evaluate(contrastOf(selector)), selector).toBeGreaterThan(4.5);
    },
  );
});

/** Contrast of an element's text with its background (WCAG 2.2, 1.4.3), as an expression for the page. */
const contrastOf = (selector: string) => `(() => {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const element = document.querySelector(${JSON.stringify(selector)});
  let behind = element;
  while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const [dark, light] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map(luminance).sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
})()`;
