import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from '#apps/api/sign-in/test-browser.ts';
import { decideAtX } from '#apps/api/sign-in/test-flows.ts';
import { answer } from '#apps/x-simulator/fault.ts';
import { openAccounts } from './open-accounts.ts';
import { type Session, type System, startProcess, startSystem, type TestProcess } from './system.ts';

/** A word that nothing else contains. */
const canary = (kind: string) => `${kind}${randomBytes(24).toString('hex')}`;

interface Seen {
  readonly where: string;
  readonly text: string;
}

const clientSecret = canary('xappsecret');
const gpt = {
  id: 'my-gpt',
  secret: canary('gptsecret'),
  redirectUri: 'https://chat.openai.com/aip/g-1/oauth/callback',
};

let system: System;
let publicUrl: string;
const processes: TestProcess[] = [];
/** Everything that the API answered, with its headers. */
const answers: Seen[] = [];
const realFetch = globalThis.fetch;

beforeAll(async () => {
  system = await startSystem({
    workers: 0,
    environment: {
      CLIENT_SECRET: clientSecret,
      GPT_CLIENT_ID: gpt.id,
      GPT_CLIENT_SECRET: gpt.secret,
      GPT_REDIRECT_URIS: gpt.redirectUri,
      CONFIRM_AFTER_MS: '1000',
    },
  });
  // In processes of their own, where the API was: their output is all that they say.
  await system.api[Symbol.asyncDispose]();
  const { port } = new URL(system.url);
  publicUrl = `http://localhost:${port}`;
  processes.push(await startProcess('api', { ...system.environment, PORT: port }));
  processes.push(await startProcess('quick-worker', system.environment));
  globalThis.fetch = recordingFetch;
});
afterAll(async () => {
  globalThis.fetch = realFetch;
  for (const one of processes) await one[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

async function recordingFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
  const response = await realFetch(input, init);
  const { port, pathname } = new URL(String(input instanceof Request ? input.url : input));
  if (port === new URL(publicUrl).port) {
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    answers.push({ where: pathname, text: `${headers}\n${await response.clone().text()}` });
  }
  return response;
}

it('no secret of a whole day of work is to be found in the clear', async () => {
  const texts = Array.from({ length: 6 }, () => canary('posttext'));
  const ours = await signInEverywhere();
  await postAndFail(ours.session, texts);
  const x = secretsAtX();
  expect(x.size).toBeGreaterThan(8);

  const secret = new Map<string, string>([
    ...[...x].map(([value, name]): [string, string] => [value, name]),
    ...ours.tokens,
    [clientSecret, 'the secret of the X app'],
    [Buffer.from(`test-client:${clientSecret}`).toString('base64'), 'the credentials at X'],
    [gpt.secret, 'the secret of the GPT'],
    [system.environment.SECRET_KEY ?? '', 'SECRET_KEY'],
    [(system.environment.TOKEN_KEYS ?? '').slice(3), 'TOKEN_KEYS'],
    ...texts.map((text): [string, string] => [text, 'the text of a post']),
  ]);
  const stored = [
    ...(await filesIn(system.redis.dir)),
    ...(await keysOfRedis()),
    ...(await filesIn(system.dataDir)),
  ];
  const said = processes.map(({ output }, index) => ({ where: `output ${index}`, text: output.join('\n') }));
  expect(said[0]?.text).toContain('is ready');
  expect(said[1]?.text).toContain('is ready');
  expect(stored.some(({ text }) => text.includes(ours.session.account.id))).toBe(true);
  expect(find(secret, [...stored, ...said])).toEqual([]);

  // Answers show posts to their owner, and hand out tokens of ours where they were asked for.
  const hidden = new Map(
    [...secret].filter(([, name]) => name !== 'the text of a post' && !ours.tokens.has(name)),
  );
  for (const token of ours.tokens.keys()) hidden.delete(token);
  expect(find(hidden, answers)).toEqual([]);
  const elsewhere = answers.filter(
    ({ where }) => !/^\/(startAuth|callback|oauth\/(token|refresh|authorize.*|consent.*))$/.test(where),
  );
  expect(elsewhere.length).toBeGreaterThan(10);
  expect(find(ours.tokens, elsewhere)).toEqual([]);
});

/** A program, a browser and a GPT sign in and refresh; everything of ours that they are handed. */
async function signInEverywhere() {
  const tokens = new Map<string, string>();
  const session = await system.connect('sandbox_ada');
  tokens
    .set(session.accessToken, 'an access token of ours')
    .set(session.refreshToken, 'a refresh token of ours');
  const keep = async (response: Response) => {
    expect(response.status).toBe(200);
    const body = (await response.json()) as { access_token: string; refresh_token: string };
    tokens
      .set(body.access_token, 'an access token of ours')
      .set(body.refresh_token, 'a refresh token of ours');
    return body;
  };

  const person = new TestBrowser();
  const atX = locationOf(await person.get(`${publicUrl}/startAuth`));
  const page = await (await person.get(await decideAtX(atX, { user: 'sandbox_ben' }))).text();
  const oneTimeCode = /value="([^"]{20,})"/.exec(page)?.[1] ?? '';
  expect(oneTimeCode).not.toBe('');
  tokens.set(oneTimeCode, 'a one-time code');
  const agents = await keep(await postJson('/oauth/token', { code: oneTimeCode }));
  await keep(await postJson('/oauth/refresh', { refresh_token: agents.refresh_token }));
  await postJson('/oauth/token', { code: oneTimeCode });
  for (const value of Object.values(person.cookies)) tokens.set(value, 'a cookie');

  const back = await signInAsGpt(new TestBrowser());
  tokens.set(back.searchParams.get('code') ?? '', 'a code of the GPT');
  const exchange = { grant_type: 'authorization_code', client_id: gpt.id, redirect_uri: gpt.redirectUri };
  const code = back.searchParams.get('code') ?? '';
  await postForm('/oauth/token', { ...exchange, code, client_secret: canary('wrongsecret') });
  const gpts = await keep(await postForm('/oauth/token', { ...exchange, code, client_secret: gpt.secret }));
  const renewal = { grant_type: 'refresh_token', refresh_token: gpts.refresh_token };
  await keep(await postForm('/oauth/token', { ...renewal, client_id: gpt.id, client_secret: gpt.secret }));
  await fetch(`${publicUrl}/me?access_token=${gpts.access_token}`);
  return { session, tokens };
}

async function signInAsGpt(browser: TestBrowser): Promise<URL> {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: gpt.id,
    redirect_uri: gpt.redirectUri,
    state: 'opaque',
  });
  const consentUrl = locationOf(await browser.get(`${publicUrl}/oauth/authorize?${query}`));
  const page = await (await browser.get(consentUrl)).text();
  const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
  const atX = locationOf(await browser.post(consentUrl, fields));
  const resume = locationOf(await browser.get(await decideAtX(atX, { user: 'sandbox_ada' })));
  return new URL(locationOf(await browser.get(resume)));
}

/** Posts that go well and posts that go wrong, each with a text of its own; a token runs out; the user leaves. */
async function postAndFail(session: Session, texts: readonly string[]): Promise<void> {
  const { simulator, mediaHost } = system;
  const [plain = '', picture = '', missing = '', cut = '', refused = '', broken = ''] = texts;
  await session.post({ text: plain });
  const png = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#445566' } })
    .png()
    .toBuffer();
  mediaHost.files.set('/dot.png', png);
  await session.post({ text: picture, media_url: mediaHost.url('/dot.png'), alt_texts: [`Alt ${picture}`] });
  expect((await session.post({ text: missing, media_url: mediaHost.url('/none.png') })).status).toBe(
    'failed',
  );
  simulator.faults.next('POST /2/tweets', answer(500, { detail: 'Something broke' }));
  expect((await session.post({ text: cut })).status).toBe('published');
  simulator.state.grants.expireAccessTokens(session.account.id);
  simulator.faults.next('POST /2/tweets', answer(403, { title: 'Forbidden', detail: 'Not allowed' }));
  await session.post({ text: refused });
  await postJson('/postTweet', { text: broken, poll: 1 }, session.accessToken);
  await fetch(`${publicUrl}/postTweet`, {
    method: 'POST',
    headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
    body: `{"text":"${broken}"`,
  });
  await session.request('GET', '/jobs');
  await session.request('GET', '/me');
  await session.request('POST', '/postTweet', {
    text: broken,
    publish_at: new Date(Date.now() + 9e7).toISOString(),
  });
  await fetch(`${publicUrl}/me`, { headers: { authorization: `Bearer ${canary('unknown')}` } });
  simulator.state.grants.disconnect('1450000000000000002');
  expect((await session.request('DELETE', '/me')).status).toBe(200);
}

/** Whatever X was sent that may be used again: tokens, codes, verifiers. X's own answers come back in such requests. */
function secretsAtX(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { endpoint, headers, bodyText } of system.simulator.state.requests.all) {
    const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    if (bearer) found.set(bearer, "an access token of X's");
    if (!endpoint.startsWith('POST /2/oauth2/')) continue;
    const body = new URLSearchParams(bodyText ?? '');
    for (const name of ['code', 'code_verifier', 'refresh_token', 'token']) {
      const value = body.get(name);
      if (value) found.set(value, `${name} at X`);
    }
  }
  return found;
}

function postJson(path: string, body: object, token?: string): Promise<Response> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const headers = { 'content-type': 'application/json', accept: 'application/json', ...authorization };
  return fetch(publicUrl + path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function postForm(path: string, fields: Record<string, string>): Promise<Response> {
  return fetch(publicUrl + path, { method: 'POST', body: new URLSearchParams(fields) });
}

/** Which of the values stand in which of the places, also base64-encoded or as part of a URL. */
function find(values: ReadonlyMap<string, string>, places: readonly Seen[]): string[] {
  const found: string[] = [];
  for (const [value, name] of values) {
    const encoded = Buffer.from(value).toString('base64').replace(/=+$/, '');
    const forms = [value, encoded, encodeURIComponent(value)];
    for (const { where, text } of places)
      if (forms.some((form) => text.includes(form))) found.push(`${name} in ${where}`);
  }
  return found;
}

async function filesIn(folder: string): Promise<Seen[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(
    files.map(async (file) => ({ where: file, text: await readFile(file, 'latin1') })),
  );
}

/** Every key and what it holds. */
async function keysOfRedis(): Promise<Seen[]> {
  await using vault = await openAccounts(system);
  const { redis } = vault;
  const read = async (key: string): Promise<unknown> => {
    switch (await redis.type(key)) {
      case 'string':
        return await redis.get(key);
      case 'hash':
        return await redis.hgetall(key);
      case 'list':
        return await redis.lrange(key, 0, '-1');
      case 'set':
        return await redis.smembers(key);
      case 'zset':
        return await redis.zrange(key, 0, '-1', 'WITHSCORES');
      case 'stream':
        return await redis.xrange(key, '-', '+');
      default:
        return null;
    }
  };
  const keys = await redis.keys('*');
  return await Promise.all(
    keys.map(async (key) => ({ where: key, text: `${key} ${JSON.stringify(await read(key))}` })),
  );
}
