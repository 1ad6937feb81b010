import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, startChromium } from '#apps/api/pages/test-chromium.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { snowflakeAt } from '#libs/x-api/snowflake.ts';
import { type System, startSystem } from './system.ts';

/** Set to a folder, every page that a test opens is also kept there as a picture. */
const pictures = process.env.PAGE_PICTURES;

const looks = [
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  { name: 'desktop-light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'desktop-dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
] as const;

let system: System;
let browser: Browser | undefined;
beforeAll(async () => {
  // A sandbox, as a newcomer starts it.
  system = await startSystem({ environment: { CLIENT_ID: '', CLIENT_SECRET: '' } });
  if (hasChromium) browser = await startChromium();
});
afterAll(async () => {
  await browser?.close();
  await system[Symbol.asyncDispose]();
});

const addressOf = (path: string) => new URL(path, system.url.replace('127.0.0.1', 'localhost')).href;

/** A fresh browser profile; `complaints` is what its console holds against the pages. */
async function openBrowser(look: (typeof looks)[number] = looks[2], javaScriptEnabled = true) {
  if (!browser) throw new Error('no Chromium');
  const { colorScheme, viewport } = look;
  const context = await browser.newContext({ colorScheme, viewport, javaScriptEnabled, timezoneId: 'UTC' });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource'))
      complaints.push(message.text());
  });
  return { context, page, complaints };
}

/** Signs in as a reader of the start page does. */
async function signIn(page: Page, path = '/') {
  await page.goto(addressOf(path));
  await page.getByRole('link', { name: 'Connect your X account' }).click();
  await page
    .getByRole('button', { name: /authorize|allow/i })
    .first()
    .click();
  await page.waitForURL(addressOf(path));
}

async function keepPicture(page: Page, name: string) {
  if (pictures === undefined) return;
  await mkdir(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

const fits = (page: Page) => page.evaluate('document.documentElement.scrollWidth <= innerWidth');

const picture = sharp({ create: { width: 640, height: 400, channels: 3, background: '#3377cc' } }).png();

describe.skipIf(!hasChromium)('the pages in a real browser (Chromium, where it is installed)', () => {
  it('a newcomer connects, posts a text with an image by keyboard alone and sees it published', async () => {
    const { page, complaints, context } = await openBrowser();
    await signIn(page);
    await page.getByRole('textbox', { name: 'Text' }).focus();
    await page.keyboard.type('Written with the keyboard\nand a second line');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('media');
    await page.setInputFiles('#media', {
      name: 'a.png',
      mimeType: 'image/png',
      buffer: await picture.toBuffer(),
    });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.type('A blue field');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Post');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/jobs\/[0-9a-f]{32}$/);
    await page.getByRole('status').getByText('Tweet posted successfully!').waitFor();
    const link = await page.getByRole('link', { name: 'Open the post' }).getAttribute('href');
    const [tweet] = system.simulator.state.tweets.visible('1450000000000000001');
    expect(link).toBe(`${system.simulator.url}/#post-${tweet?.id}`);
    expect(tweet?.text).toBe('Written with the keyboard\nand a second line');
    expect(system.simulator.state.media.get(tweet?.mediaIds[0] ?? '')?.altText).toBe('A blue field');
    await page.getByText('Published', { exact: false }).first().waitFor();
    expect(await page.locator('.timeline li').allTextContents()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Accepted/), expect.stringMatching(/^Published/)]),
    );
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('what is refused comes back as it was, and says at the field what is wrong', async () => {
    const { page, complaints, context } = await openBrowser(looks[0]);
    await signIn(page);
    await page.getByLabel('Text').fill('x'.repeat(300));
    await page.getByLabel('Description of the image').fill('kept');
    await page.getByRole('button', { name: 'Post', exact: true }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('Text').getAttribute('aria-invalid')).toBe('true');
    expect(await page.locator('#text-fault').textContent()).toMatch(/280/);
    expect(await page.getByLabel('Text').inputValue()).toBe('x'.repeat(300));
    expect(await page.getByLabel('Description of the image').inputValue()).toBe('kept');
    await keepPicture(page, 'refused');
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('a post in work is followed live: each stage appears without a reload, until its end', async () => {
    const { page, complaints, context } = await openBrowser();
    await signIn(page);
    const held = Promise.withResolvers<void>();
    system.mediaHost.pages.set('/slow.png', async (_request, response) => {
      await held.promise;
      response.end(await picture.toBuffer());
    });
    await page.getByLabel('Text').fill('Followed live');
    await page.getByLabel('Or its address').fill(system.mediaHost.url('/slow.png'));
    await page.getByRole('button', { name: 'Post', exact: true }).click();
    await page.getByText('Being fetched').waitFor();
    await page.evaluate('window.neverReloaded = true');
    await keepPicture(page, 'job-live');
    held.resolve();
    await page.getByRole('link', { name: 'Open the post' }).waitFor();
    expect(await page.evaluate('window.neverReloaded')).toBe(true);
    expect(await page.title()).toMatch(/^Published/);
    expect(await page.getByRole('progressbar').count()).toBe(0);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('a post is canceled from its page, also without JavaScript', async () => {
    const { page, context } = await openBrowser(looks[1], false);
    const session = await system.connect('sandbox_ada');
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await session.request('POST', '/postTweet', { text: 'Later', publish_at: inAnHour });
    await signIn(page, `/jobs/${body.job_id}`);
    expect(await page.locator('noscript').count()).toBeGreaterThan(0);
    await keepPicture(page, 'job-scheduled');
    await page.getByRole('button', { name: 'Cancel this post' }).click();
    await page.getByText('The post was canceled before it was sent.').waitFor();
    expect((await session.request('GET', `/jobs/${body.job_id}`)).body.status).toBe('canceled');
    await context.close();
  });

  it('whoever is not signed in is asked to, and comes back to the post; a stranger’s post is not found', async () => {
    const ben = await system.connect('sandbox_ben');
    const { body } = await ben.request('POST', '/postTweet', { text: 'Of Ben' });
    const { page, context } = await openBrowser();
    const first = await page.goto(addressOf(`/jobs/${body.job_id}`));
    expect(first?.status()).toBe(401);
    await keepPicture(page, 'job-stranger');
    await signIn(page, `/jobs/${body.job_id}`);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
    expect(await page.content()).not.toContain('Of Ben');
    const nowhere = await page.goto(addressOf(`/jobs/${'0'.repeat(32)}`));
    expect(nowhere?.status()).toBe(404);
    await context.close();
  });

  it('an uncertain post is settled with a button, after a look at X', async () => {
    const { page, complaints, context } = await openBrowser(looks[1]);
    const session = await system.connect('sandbox_ada');
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await session.request('POST', '/postTweet', {
      text: 'Where is it?',
      publish_at: inAnHour,
    });
    await using redis = await connectRedis(system.redis.url, 'fail-fast');
    await redis.hset(`job:${body.job_id}`, { state: 'unconfirmed', publish_at: '', open_attempts: '1' });
    await signIn(page, `/jobs/${body.job_id}`);
    await page.getByRole('link', { name: 'Look at your profile on X' }).waitFor();
    await keepPicture(page, 'job-unconfirmed');
    await page.getByRole('button', { name: 'It is there' }).click();
    await page.getByText('You said that the post is on X').waitFor();
    expect((await session.request('GET', `/jobs/${body.job_id}`)).body.status).toBe('published');
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('of an uncertain post of a thread the address can be given, so that the rest can follow', async () => {
    const { page, context } = await openBrowser(looks[0]);
    const session = await system.connect('sandbox_ada');
    const { body } = await session.request('POST', '/postTweet', {
      text: 'Which one is it?',
      thread: [{ text: 'This follows.' }],
      publish_at: new Date(Date.now() + 3_600_000).toISOString(),
    });
    await using redis = await connectRedis(system.redis.url, 'fail-fast');
    await redis.hset(`job:${body.job_id}`, { state: 'unconfirmed', open_attempts: '1' });
    await signIn(page, `/jobs/${body.job_id}`);
    const id = snowflakeAt(Date.now());
    await page.getByLabel(/its address/).fill(`https://x.com/sandbox_ada/status/${id}?s=20`);
    await page.getByRole('button', { name: 'It is there' }).click();
    await page.getByText('You said that post 1 of 2 is on X, and where').waitFor();
    expect((await session.request('GET', `/jobs/${body.job_id}`)).body.tweets).toMatchObject([
      { tweet_id: id },
    ]);
    await context.close();
  });

  it('a post that failed says why, and leads to what to do', async () => {
    const { page, complaints, context } = await openBrowser(looks[0]);
    const session = await system.connect('sandbox_ada');
    const job = await session.post({ text: 'No picture', media_url: system.mediaHost.url('/none.png') });
    await signIn(page, `/jobs/${job.job_id}`);
    await keepPicture(page, 'job-failed');
    expect(await page.locator('.timeline').textContent()).toMatch(/Given up: No media at this address/);
    expect(await page.getByRole('progressbar').count()).toBe(0);
    await page.getByRole('link', { name: 'What happened, and what to do' }).click();
    await page.getByRole('heading', { name: 'No media at this address' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('addresses for the set-up are copied with a button', async () => {
    const { page, complaints, context } = await openBrowser();
    await page.goto(addressOf('/'));
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByText('Custom GPT', { exact: true }).click();
    await page.getByRole('button', { name: 'Copy: Token URL' }).click();
    await page.getByRole('status').getByText('Token URL copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toMatch(/\/oauth\/token$/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('signing out and disconnecting end what the browser may do', async () => {
    const { page, context } = await openBrowser();
    await signIn(page);
    const cookies = await context.cookies();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('link', { name: 'Connect your X account' }).waitFor();
    await context.addCookies(cookies);
    await page.goto(addressOf('/'));
    expect(await page.getByRole('link', { name: 'Connect your X account' }).count()).toBe(1);
    await signIn(page);
    await page.getByText('Disconnect this account').click();
    await page.getByRole('button', { name: /^Disconnect @/ }).click();
    await page.getByRole('link', { name: 'Connect your X account' }).waitFor();
    await context.close();
  });

  it.each(looks)('every page fits and keeps to its own resources, $name', async (look) => {
    const { page, complaints, context } = await openBrowser(look);
    const elsewhere: string[] = [];
    page.on('request', (request) => {
      const { host, protocol } = new URL(request.url());
      if (protocol !== 'data:' && host !== new URL(addressOf('/')).host) elsewhere.push(request.url());
    });
    for (const path of ['/', '/privacy', '/problems', '/problems/media_too_large', '/nowhere']) {
      await page.goto(addressOf(path));
      expect(await fits(page), path).toBe(true);
      expect(await page.getByRole('heading', { level: 1 }).count(), path).toBe(1);
      expect(await page.getByRole('main').count(), path).toBe(1);
      await keepPicture(page, `${look.name}${path.replaceAll('/', '-')}`);
    }
    expect(elsewhere).toEqual([]);
    await signIn(page);
    await page.getByText('Custom GPT', { exact: true }).click();
    expect(await fits(page)).toBe(true);
    await keepPicture(page, `${look.name}-home`);
    const [recent] = await page.getByRole('listitem').getByRole('link').all();
    if (recent) {
      await recent.click();
      await page.getByRole('heading', { name: 'Your post' }).waitFor();
      expect(await fits(page)).toBe(true);
      await keepPicture(page, `${look.name}-job`);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });
});
