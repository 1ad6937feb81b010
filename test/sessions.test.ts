import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from '#apps/api/sign-in/test-browser.ts';
import { problemKinds } from '#libs/problem/problem.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type ValidatingFetch, validatingFetch } from './openapi-fetch.ts';
import { type System, startSystem } from './system.ts';

let system: System;
/** Answers are held against openapi.yaml. */
let ask: ValidatingFetch;
beforeAll(async () => {
  const environment = {
    OPERATOR_NAME: 'Ada & Sons <Ltd>',
    OPERATOR_CONTACT: 'privacy@example.org',
    PUBLIC_URL: 'http://localhost:7777',
  };
  system = await startSystem({ environment });
  ask = validatingFetch(system.url);
});
afterAll(() => system[Symbol.asyncDispose]());

const sessionCookie = 'post-to-x-user';

/** A browser that has connected an account; `end` is the answer of `/callback`. */
async function signedIn(user = 'sandbox_ada', returnTo?: string, browser = new TestBrowser()) {
  const query = returnTo === undefined ? '' : `?return_to=${encodeURIComponent(returnTo)}`;
  const atX = locationOf(await browser.get(`${system.url}/startAuth${query}`));
  const back = await system.simulator.authorize(atX, { user });
  const end = await browser.get(`${system.url}/callback${back.search}`);
  return { browser, end };
}

const cookieOf = ({ cookies }: TestBrowser) =>
  Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');

async function csrfOf(browser: TestBrowser) {
  return fieldOf(await (await browser.get(`${system.url}/`)).text(), 'csrf_token');
}

/** Sends the form of the start page. */
function sendForm(
  browser: TestBrowser,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  const sent = { cookie: cookieOf(browser), accept: 'text/html', ...headers };
  return ask(`${system.url}/`, { method: 'POST', body, headers: sent, redirect: 'manual' });
}

const postsOf = (accountId: string) => system.simulator.state.tweets.visible(accountId);
const adaId = '1450000000000000001';

describe('a signed-in browser', () => {
  it('has a session that scripts and other sites cannot read, and that Redis knows by its hash alone', async () => {
    const { browser, end } = await signedIn();
    const line = end.headers.getSetCookie().find((cookie) => cookie.startsWith(`${sessionCookie}=`));
    expect(line).toMatch(/; path=\/; expires=[^;]+; samesite=lax; httponly$/i);
    const id = browser.cookies[sessionCookie] ?? '';
    expect(Buffer.from(id, 'base64url')).toHaveLength(32);
    await using redis = await connectRedis(system.redis.url, 'fail-fast');
    const keys = await redis.keys('session*');
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.join()).not.toContain(id);
    const ends = await Promise.all(keys.map((key) => redis.ttl(key)));
    expect(Math.min(...ends.map(Number))).toBeGreaterThan(0);
  });

  it('gets a new session with each sign-in, and the one before ends', async () => {
    const { browser } = await signedIn();
    const before = cookieOf(browser);
    await signedIn('sandbox_ada', undefined, browser);
    expect(cookieOf(browser)).not.toBe(before);
    const page = await ask(`${system.url}/`, { headers: { accept: 'text/html', cookie: before } });
    expect(await page.text()).toContain('Connect your X account');
  });

  it('is nobody to the JSON API', async () => {
    const { browser } = await signedIn();
    const headers = {
      cookie: cookieOf(browser),
      accept: 'application/json',
      'content-type': 'application/json',
    };
    const body = JSON.stringify({ text: 'By cookie' });
    expect((await ask(`${system.url}/postTweet`, { method: 'POST', headers, body })).status).toBe(401);
    for (const path of ['/jobs', '/me', `/jobs/${'0'.repeat(32)}`])
      expect((await ask(system.url + path, { headers })).status, path).toBe(401);
    expect((await ask(`${system.url}/me`, { method: 'DELETE', headers })).status).toBe(401);
  });

  it('follows its own posts, which no other site can have it do', async () => {
    const { browser } = await signedIn();
    const ada = await system.connect('sandbox_ada');
    const job = await ada.post({ text: 'To be followed' });
    const cookie = cookieOf(browser);
    const events = (site: string, jobId = job.job_id) =>
      ask(`${system.url}/jobs/${jobId}/events`, { headers: { cookie, 'sec-fetch-site': site } });
    const followed = await events('same-origin');
    expect(followed.headers.get('content-type')).toContain('text/event-stream');
    expect(await followed.text()).toContain('"status":"published"');
    expect((await events('cross-site')).status).toBe(401);
    expect((await events('same-site')).status).toBe(401);
    const ben = await system.connect('sandbox_ben');
    const foreign = await ben.post({ text: 'Of somebody else' });
    expect((await events('same-origin', foreign.job_id)).status).toBe(404);
  });

  it('is signed out everywhere by DELETE /me', async () => {
    const { browser } = await signedIn('sandbox_ben');
    const ben = await system.connect('sandbox_ben');
    expect(await csrfOf(browser)).not.toBe('');
    await ben.request('DELETE', '/me');
    await signedIn('sandbox_ben');
    expect(await csrfOf(browser)).toBe('');
  });
});

describe('a form of the pages', () => {
  it('posts once, however often it is sent', async () => {
    const { browser } = await signedIn();
    const fields = { csrf_token: await csrfOf(browser), request_id: 'one-form', text: 'Sent twice' };
    const answers = await Promise.all([sendForm(browser, fields), sendForm(browser, fields)]);
    const places = answers.map((answer) => answer.headers.get('location'));
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
    expect(places[0]).toMatch(/^\/jobs\/[0-9a-f]{32}$/);
    expect(places[1]).toBe(places[0]);
    const page = await browser.get(system.url + places[0]);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('Sent twice');
  });

  it('does nothing without the token of its page, or when another site sends it', async () => {
    const { browser } = await signedIn();
    const { browser: other } = await signedIn('sandbox_ben');
    const fields = { csrf_token: await csrfOf(browser), text: 'Forged' };
    const refused = [
      sendForm(browser, { text: 'Forged' }),
      sendForm(browser, { ...fields, csrf_token: await csrfOf(other) }),
      sendForm(browser, fields, { 'sec-fetch-site': 'cross-site' }),
      sendForm(browser, fields, { 'sec-fetch-site': 'same-site' }),
      sendForm(browser, fields, { origin: 'https://evil.example' }),
    ];
    for (const answer of await Promise.all(refused)) {
      expect(answer.status).toBe(403);
      expect(answer.headers.get('content-type')).toContain('text/html');
    }
    expect((await sendForm(new TestBrowser(), fields)).status).toBe(401);
    const ada = await system.connect('sandbox_ada');
    const { body } = await ada.request<{ jobs: { tweet_text: string }[] }>('GET', '/jobs');
    expect(body.jobs.map((job) => job.tweet_text)).not.toContain('Forged');
    expect(postsOf(adaId).map(({ text }) => text)).not.toContain('Forged');
  });

  it.each(['cancel', 'posted', 'resend', 'nonsense', ''])(
    'is refused for the post of another account: %s',
    async (action) => {
      const ben = await system.connect('sandbox_ben');
      const later = new Date(Date.now() + 3_600_000).toISOString();
      const { body } = await ben.request('POST', '/postTweet', { text: `Keep ${action}`, publish_at: later });
      const { browser } = await signedIn();
      const fields = { csrf_token: await csrfOf(browser), action };
      const answer = await browser.post(`${system.url}/jobs/${body.job_id}`, fields);
      expect([400, 404]).toContain(answer.status);
      expect((await ben.request('GET', `/jobs/${body.job_id}`)).body.status).toBe('scheduled');
    },
  );
});

describe('a sign-in leads back', () => {
  it('to the page that asked for it', async () => {
    const { end } = await signedIn('sandbox_ada', `/jobs/${'a'.repeat(32)}`);
    expect(end.status).toBe(303);
    expect(end.headers.get('location')).toBe(`/jobs/${'a'.repeat(32)}`);
  });

  it.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/jobs/../admin',
    '/oauth/authorize',
    'javascript:1',
  ])('never to %s', async (target) => {
    const { end } = await signedIn('sandbox_ada', target);
    expect(end.status).toBe(200);
    expect(end.headers.get('location')).toBe(null);
  });
});

describe('pages for anybody', () => {
  it('the privacy page names the operator', async () => {
    const page = await (await ask(`${system.url}/privacy`)).text();
    expect(page).toContain('Ada &#38; Sons &#60;Ltd&#62;');
    expect(page).toContain('href="mailto:privacy@example.org"');
  });

  it.each(Object.keys(problemKinds))('explain the problem %s at its own address', async (code) => {
    const answer = await ask(`${system.url}/problems/${code}`);
    expect(answer.status).toBe(200);
    const page = await answer.text();
    for (const part of ['What happened.', 'Why.', 'What to do.'])
      expect(page).toContain(`<strong>${part}</strong>`);
    expect(page).not.toMatch(/\*\*|`/);
  });

  it('a job’s page is there for a token too, and JSON for whoever does not prefer HTML', async () => {
    const ada = await system.connect('sandbox_ada');
    const job = await ada.post({ text: '<b>Not bold</b>' });
    const page = await ask(`${system.url}/jobs/${job.job_id}`, {
      headers: { authorization: `Bearer ${ada.accessToken}`, accept: 'text/html' },
    });
    expect(page.headers.get('vary')).toMatch(/accept/i);
    const text = await page.text();
    expect(text).toContain('&#60;b&#62;Not bold&#60;/b&#62;');
    expect(text).not.toContain('<form');
    expect((await ada.request('GET', `/jobs/${job.job_id}`)).headers.get('content-type')).toContain('json');
  });

  it('a refusal is a page in a browser and a problem for a program, with the same status', async () => {
    for (const path of ['/nowhere', '/me', `/jobs/${'0'.repeat(32)}`, '/problems/nonsense']) {
      const page = await fetch(system.url + path, { headers: { accept: 'text/html' } });
      const problem = await fetch(system.url + path, { headers: { accept: '*/*' } });
      expect(page.status).toBe(problem.status);
      expect(page.headers.get('content-type')).toContain('text/html');
      expect(problem.headers.get('content-type')).toBe('application/problem+json');
    }
  });
});
