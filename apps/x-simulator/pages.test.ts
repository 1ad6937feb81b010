import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

// A folder named here gets a picture of each page, to be looked at.
const pictures = process.env.PICTURES_DIR;
const executablePath = '/usr/bin/chromium';
const hasChromium = existsSync(executablePath);
if (!hasChromium)
  test.skip('the pages are looked at in Chromium, which is not installed here', () => undefined);

describe.runIf(hasChromium)('in a browser', () => {
  let simulator: Simulator;
  let browser: Browser;
  let ada: RawClient;

  beforeAll(async () => {
    simulator = await startSimulator({
      processing: { checkAfterSecs: null, polls: 0, outcome: 'succeeded', error: null },
    });
    ada = createRawClient(simulator.url, simulator.signIn().access_token);
    const flags =
      '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
      '--disable-component-update --disable-sync';
    browser = await chromium.launch({ executablePath, args: flags.split(' ') });
  });
  afterAll(async () => {
    await browser?.close();
    expect(simulator.state.bugs).toEqual([]);
    await simulator[Symbol.asyncDispose]();
  });

  /** A page that notes whatever it loads from elsewhere and whatever it complains about. */
  async function open(url: string, options: Parameters<Browser['newPage']>[0] = {}) {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(simulator.url) && !request.url().startsWith('data:'))
        complaints.push(request.url());
    });
    await page.goto(url);
    return { page, complaints };
  }

  const picture = async (page: Page, name: string) => {
    if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  };

  async function uploadImage(width: number, height: number, color: string): Promise<string> {
    const bytes = await sharp({ create: { width, height, channels: 3, background: color } })
      .composite([
        {
          input: Buffer.from(
            `<svg width="${width}" height="${height}"><circle cx="50%" cy="50%" r="30%" fill="#fff8"/></svg>`,
          ),
        },
      ])
      .png()
      .toBuffer();
    return ada.upload(bytes, { mediaType: 'image/png', category: 'tweet_image' });
  }

  test('a new post appears on the open timeline with its picture and its words', async () => {
    const { page, complaints } = await open(simulator.url, { colorScheme: 'light' });
    await page.getByText('No posts yet.').waitFor();
    const id = await uploadImage(640, 360, '#27c');
    await ada.post('/2/media/metadata', { id, metadata: { alt_text: { text: 'A circle on "blue"' } } });
    const text = 'Look <b>here</b> & there: example.com';
    const { json } = await ada.post('/2/tweets', { text, media: { media_ids: [id] }, made_with_ai: true });
    const post = page.locator(`#post-${pick(json, 'data', 'id')}`);
    await post.waitFor();
    expect(await post.locator('.text').textContent()).toBe(text);
    const image = post.locator('img');
    expect(await image.getAttribute('alt')).toBe('A circle on "blue"');
    await page.waitForFunction("document.querySelector('img').naturalWidth === 640");
    expect(await page.getByText('No posts yet.').count()).toBe(0);
    const parent = pick(json, 'data', 'id');
    await ada.post('/2/tweets', { text: 'And a reply', reply: { in_reply_to_tweet_id: parent } });
    await ada.post('/2/tweets', {
      text: 'Which one?',
      poll: { options: ['Tea', 'Coffee'], duration_minutes: 1_500 },
    });
    await page.getByText('Poll · runs for 1 d 1 h').waitFor();
    const many = [];
    for (const color of ['#c33', '#3a3', '#a3a']) many.push(await uploadImage(300, 300, color));
    await ada.post('/2/tweets', { text: 'Three', media: { media_ids: many } });
    await page.locator('.media-3').waitFor();
    expect(await page.locator('article .text').allTextContents()).toEqual([
      'Three',
      'Which one?',
      'And a reply',
      text,
    ]);
    await picture(page, 'timeline-light');
    await ada.delete(`/2/tweets/${parent}`);
    await post.waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the timeline fits a phone, also in the dark', async () => {
    const { page, complaints } = await open(simulator.url, {
      colorScheme: 'dark',
      viewport: { width: 360, height: 740 },
    });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await picture(page, 'timeline-dark');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a person chooses who to be, allows, and is sent back with a code', async () => {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: 'sandbox-client',
      redirect_uri: `http://127.0.0.1:${new URL(simulator.url).port}/`,
      scope: 'tweet.read tweet.write users.read media.write offline.access',
      state: 'a "state"',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });
    const { page, complaints } = await open(`${simulator.url}/i/oauth2/authorize?${query}`, {
      colorScheme: 'dark',
    });
    await picture(page, 'authorize');
    await page.getByLabel('@sandbox_ben').check();
    await page.getByRole('button', { name: 'Authorize app' }).click();
    await page.waitForURL(/code=/);
    expect(new URL(page.url()).searchParams.get('state')).toBe('a "state"');
    query.set('scope', 'everything');
    await page.goto(`${simulator.url}/i/oauth2/authorize?${query}`);
    await page.getByText('Something went wrong').first().waitFor();
    await picture(page, 'authorize-error');
    expect(complaints.filter((complaint) => !complaint.includes('400'))).toEqual([]);
    await page.close();
  });
});
