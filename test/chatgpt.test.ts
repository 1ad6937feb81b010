import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, locationOf, TestBrowser } from '#apps/api/sign-in/test-browser.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type Contract, operationsOf } from './openapi-contract.ts';
import { createOpenApiValidator } from './openapi-validator.ts';
import { quickTimings } from './quick-timings.ts';
import { type System, startSystem } from './system.ts';

const client = { id: 'my-gpt', secret: 'a long secret of the operator / with + signs' };
const redirectUri = 'https://chat.openai.com/aip/g-0123456789abcdef/oauth/callback';
/** Long and opaque, as ChatGPT's is. */
const state = createHash('sha512').update('state').digest('hex').repeat(16);
/** All that ChatGPT sends along: no header of ours, nothing that describes what is accepted. */
const chatGptHeaders = {
  accept: '*/*',
  'user-agent':
    'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot',
  'openai-conversation-id': '0c2d6a8e-5f7b-4f2d-9f5d-1f8f6f0b2c11',
  'openai-ephemeral-user-id': 'e5f1f2b4-1111-5222-8333-444455556666',
};

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

let system: System;
let gpt: Awaited<ReturnType<typeof importActions>>;
beforeAll(async () => {
  system = await startSystem({
    timings: quickTimings,
    environment: {
      GPT_CLIENT_ID: client.id,
      GPT_CLIENT_SECRET: client.secret,
      GPT_REDIRECT_URIS: `${redirectUri},${redirectUri.replace('chat.openai.com', 'chatgpt.com')}`,
    },
  });
  gpt = await importActions(`${system.url}/openapi.json`);
  system.mediaHost.files.set(
    '/file-generated',
    await sharp({ create: { width: 512, height: 512, channels: 3, background: '#663399' } })
      .webp()
      .toBuffer(),
  );
});
afterAll(() => system[Symbol.asyncDispose]());

/** What the editor makes of the document: actions by name, at the one server that it names. */
async function importActions(url: string) {
  const answer = await fetch(url, { headers: { accept: '*/*' } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toContain('application/json');
  const contract = (await answer.json()) as Contract;
  expect(contract.openapi).toBe('3.1.0');
  expect(contract.servers).toHaveLength(1);
  const validator = createOpenApiValidator();
  const actions = operationsOf(contract);
  return {
    contract,
    names: actions.map(({ operation }) => operation.operationId),
    /** Calls an action: arguments of the path and the query by name, everything else as JSON; never a header of ours. */
    async call(operationId: string, given: Record<string, unknown>, token?: string) {
      const action = actions.find(({ operation }) => operation.operationId === operationId);
      if (!action) throw new Error(`The document has no action ${operationId}`);
      const { path, query, body } = place(action, given);
      const method = action.method.toUpperCase();
      const response = await fetch(`${system.url}${path}${query}`, {
        method,
        redirect: 'error',
        headers: {
          ...chatGptHeaders,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
        // ChatGPT gives up after 45 seconds.
        signal: AbortSignal.timeout(45_000),
      });
      const { status, headers } = response;
      const text = await response.text();
      expect(text.length).toBeLessThan(100_000);
      validator.checkAnswer({ method, path: path + query, status, headers, body: text });
      return { status, headers, body: JSON.parse(text) as JobView & Record<string, unknown> };
    },
  };
}

function place(action: ReturnType<typeof operationsOf>[number], given: Record<string, unknown>) {
  const left = { ...given };
  const path = action.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(left[name]);
    delete left[name];
    return encodeURIComponent(value);
  });
  if (action.operation.requestBody) return { path, query: '', body: JSON.stringify(left) };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(left)) query.set(name, String(value));
  return { path, query: query.size === 0 ? '' : `?${query}`, body: undefined };
}

/** The user presses the button to sign in, in a browser: our consent, X, and back to ChatGPT with a code. */
async function signIn(scope: string): Promise<string> {
  const local = (url: string) => url.replace(publicUrl(), system.url);
  const browser = new TestBrowser();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: redirectUri,
    state,
    scope,
  });
  const consentUrl = local(locationOf(await browser.get(`${system.url}/oauth/authorize?${query}`)));
  const page = await (await browser.get(consentUrl)).text();
  expect(page).toContain('chat.openai.com');
  const decided = await browser.post(consentUrl, {
    csrf_token: fieldOf(page, 'csrf_token'),
    decision: 'approve',
  });
  const atX = await system.simulator.authorize(locationOf(decided), { user: 'sandbox_ada' });
  const resume = await browser.get(local(atX.href));
  const back = new URL(locationOf(await browser.get(local(locationOf(resume)))));
  expect(back.origin + back.pathname).toBe(redirectUri);
  expect(back.searchParams.get('state')).toBe(state);
  return back.searchParams.get('code') ?? '';
}

const publicUrl = () => `http://localhost:${new URL(system.url).port}`;

/** The token request of ChatGPT's server: a form, with the secret in it or in a Basic header. */
async function requestTokens(form: Record<string, string>, method: 'post' | 'basic' = 'post') {
  const secret = { client_id: client.id, client_secret: client.secret };
  const pair = `${encodeURIComponent(client.id)}:${encodeURIComponent(client.secret)}`;
  const answer = await fetch(`${system.url}/oauth/token`, {
    method: 'POST',
    headers: {
      accept: '*/*',
      ...(method === 'basic' ? { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } : {}),
    },
    body: new URLSearchParams({ ...form, ...(method === 'post' ? secret : {}) }),
  });
  return { status: answer.status, tokens: (await answer.json()) as Tokens };
}

/** As the instructions of the GPT have it: at most three looks, then the user hears how it stands. */
async function poll(job: JobView, token: string): Promise<JobView> {
  let last = job;
  for (let look = 0; look < 3 && last.next_check_seconds !== null; look++)
    last = (await gpt.call('getJob', { job_id: job.job_id, wait_seconds: 25 }, token)).body;
  return last;
}

const tweets = () => system.simulator.state.tweets.existing('1450000000000000001');
const createRequests = () =>
  system.simulator.state.requests.all.filter(({ endpoint }) => endpoint === 'POST /2/tweets').length;

describe('a conversation with the GPT', () => {
  let tokens: Tokens;

  it('1. begins with the import: nine actions, none of which asks for a header', async () => {
    expect(gpt.names.toSorted()).toEqual(
      [
        ...['postTweet', 'validateTweet', 'listJobs', 'getJob', 'cancelJob', 'resolveJob'],
        ...['deleteTweet', 'getAccount', 'disconnectAccount'],
      ].toSorted(),
    );
    expect(gpt.contract.servers[0]?.url).toBe(publicUrl());
    const text = JSON.stringify(gpt.contract);
    expect(text).not.toMatch(/"in":"(header|cookie)"/);
    const refs = gpt.contract.components.schemas.PostTweetRequest?.properties;
    expect(refs).toMatchObject({ openaiFileIdRefs: { type: 'array', items: { type: 'string' } } });
    const privacy = await fetch(`${system.url}/privacy`, { headers: { accept: 'text/html' } });
    expect(privacy.status).toBe(200);
  });

  it('2. finds that nobody is signed in, and says so in the way that brings up the button', async () => {
    const refused = await gpt.call('getAccount', {});
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('3. signs the user in without PKCE, by a form, and renews its tokens by Basic too', async () => {
    const first = await requestTokens({
      grant_type: 'authorization_code',
      code: await signIn(''),
      redirect_uri: redirectUri,
    });
    expect(first).toMatchObject({ status: 200, tokens: { token_type: 'Bearer', expires_in: 3600 } });
    const form = { grant_type: 'refresh_token', refresh_token: first.tokens.refresh_token };
    const renewed = await requestTokens(form, 'basic');
    expect(renewed).toMatchObject({ status: 200, tokens: { refresh_token: expect.any(String) } });
    tokens = renewed.tokens;
    const me = await gpt.call('getAccount', {}, tokens.access_token);
    expect(me.body).toMatchObject({ account: { username: 'sandbox_ada' }, connected: true });
  });

  it('4. posts a generated picture: file objects where strings are declared, one call, one answer', async () => {
    const job = await gpt.call(
      'postTweet',
      {
        text: 'A picture from a conversation',
        openaiFileIdRefs: [
          {
            name: 'a-purple-square',
            id: 'file-Ab12',
            mime_type: 'image/webp',
            download_link: system.mediaHost.url('/file-generated'),
          },
        ],
        alt_texts: ['A purple square'],
        request_id: 'c2b2f3a0-0001',
        wait_seconds: 25,
      },
      tokens.access_token,
    );
    expect(job).toMatchObject({ status: 200, body: { status: 'published', media: [{ kind: 'image' }] } });
    expect(job.body.tweet_url).toMatch(/^https:\/\/x\.com\/sandbox_ada\/status\/\d+$/);
    expect(tweets()).toHaveLength(1);
  });

  it('5. calls again, with a fresh link to the same file: the same job, and nothing new on X', async () => {
    const before = createRequests();
    const again = async (link: string) =>
      await gpt.call(
        'postTweet',
        {
          text: 'A picture from a conversation',
          openaiFileIdRefs: [{ name: 'a-purple-square', id: 'file-Ab12', download_link: link }],
          alt_texts: ['A purple square'],
          request_id: 'c2b2f3a0-0001',
          wait_seconds: 25,
        },
        tokens.access_token,
      );
    const { status, body } = await again(`${system.mediaHost.url('/file-generated')}?sig=2`);
    expect([status, body.status, body.replayed]).toEqual([200, 'published', true]);
    expect(createRequests()).toBe(before);
    // A model that numbers its posts anew in each conversation is told apart from one that repeats itself.
    const other = await gpt.call(
      'postTweet',
      { text: 'Something else', request_id: 'c2b2f3a0-0001' },
      tokens.access_token,
    );
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });

  it('6. posts what takes longer than a turn: three looks, then the user hears how it stands', async () => {
    const hold = system.simulator.faults.hold('POST /2/tweets', 'committed');
    const begun = await gpt.call(
      'postTweet',
      { text: 'X takes its time', request_id: 'c2b2f3a0-0002', wait_seconds: 1 },
      tokens.access_token,
    );
    expect(begun.status).toBe(202);
    const { job_id, message, next_check_seconds, status_url } = begun.body;
    expect(message).not.toBe('');
    expect(next_check_seconds).toBeGreaterThan(0);
    expect(status_url).toBe(`${publicUrl()}/jobs/${job_id}`);
    const looked = poll(begun.body, tokens.access_token);
    await hold.reached;
    hold.release();
    expect(await looked).toMatchObject({ status: 'published', job_id });
    const recent = await gpt.call('listJobs', { limit: 2 }, tokens.access_token);
    expect(recent.body.jobs).toMatchObject([{ job_id, status: 'published' }, { status: 'published' }]);
  });

  it('7. schedules a post and cancels it, and deletes one', async () => {
    const publish_at = new Date(Date.now() + 86_400_000).toISOString();
    const later = await gpt.call(
      'postTweet',
      { text: 'Tomorrow', publish_at, request_id: 'c2b2f3a0-0003', wait_seconds: 1 },
      tokens.access_token,
    );
    expect(later).toMatchObject({ status: 202, body: { status: 'scheduled' } });
    const canceled = await gpt.call('cancelJob', { job_id: later.body.job_id }, tokens.access_token);
    expect(canceled.body.status).toBe('canceled');
    const [tweet] = tweets();
    const gone = await gpt.call('deleteTweet', { tweet_id: tweet?.id }, tokens.access_token);
    expect(gone.body).toMatchObject({ deleted: true });
  });

  it('8. is told by a file that did not arrive to attach it again, and by a bad post what is wrong', async () => {
    const lost = await gpt.call(
      'postTweet',
      { text: 'With a file', openaiFileIdRefs: ['file-Ab12'], request_id: 'c2b2f3a0-0004' },
      tokens.access_token,
    );
    expect(lost.status).toBe(400);
    expect(lost.body.detail).toMatch(/attach it again/i);
    const tooLong = await gpt.call('validateTweet', { text: 'x'.repeat(300) }, tokens.access_token);
    expect(tooLong.body).toMatchObject({ valid: false, problems: [{ field: 'text' }] });
  });

  it('9. is asked to sign in again once its access is revoked, and goes on afterwards', async () => {
    const form = new URLSearchParams({
      token: tokens.refresh_token,
      client_id: client.id,
      client_secret: client.secret,
    });
    const revoked = await fetch(`${system.url}/oauth/revoke`, { method: 'POST', body: form });
    expect(revoked.status).toBe(200);
    const refused = await gpt.call('postTweet', { text: 'Too late' }, tokens.access_token);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/);
    const renewal = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
    expect((await requestTokens(renewal)).status).toBe(400);

    const scope = 'tweet.read tweet.write users.read media.write offline.access';
    const exchange = {
      grant_type: 'authorization_code',
      code: await signIn(scope),
      redirect_uri: redirectUri,
    };
    const anew = await requestTokens(exchange, 'basic');
    const post = await gpt.call(
      'postTweet',
      { text: 'Signed in again', request_id: 'c2b2f3a0-0005', wait_seconds: 25 },
      anew.tokens.access_token,
    );
    expect(post.body.status).toBe('published');
    const bye = await gpt.call('disconnectAccount', {}, anew.tokens.access_token);
    expect(bye.body).toMatchObject({ revoked_at_x: true });
    expect((await gpt.call('getAccount', {}, anew.tokens.access_token)).status).toBe(401);
  });
});
