import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ownClientId } from './clients.ts';
import { recordKey } from './oidc-records.ts';
import { fieldOf, locationOf, TestBrowser } from './test-browser.ts';
import {
  decideAtX,
  exchangeAsGpt,
  gptRequest,
  requestToken,
  signInDirectly,
  signInThrough,
} from './test-flows.ts';
import { ada, everyScope, gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const registered = gpt.redirectUris[0];
const invalidGrant = { status: 400, body: expect.objectContaining({ error: 'invalid_grant' }) };

/** Runs with a clock that is ahead; Redis keeps its own time. */
async function later<T>(aheadMs: number, run: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + aheadMs });
  try {
    return await run();
  } finally {
    vi.useRealTimers();
  }
}

describe('codes (O05, O06, O10)', () => {
  it('work once: a replay ends what the first use got', async () => {
    const back = await signInThrough(world, gptRequest(world));
    const first = await exchangeAsGpt(world, back);
    expect(await exchangeAsGpt(world, back)).toMatchObject(invalidGrant);
    expect(await world.signIn.findCaller(first.body.access_token)).toBeNull();
    const form = { grant_type: 'refresh_token', refresh_token: first.body.refresh_token };
    const credentials = { client_id: gpt.clientId, client_secret: gpt.clientSecret };
    expect(await requestToken(world, { form: { ...form, ...credentials } })).toMatchObject(invalidGrant);
  });

  it('give tokens at most once when they are presented ten times at the same moment', async () => {
    const back = await signInThrough(world, gptRequest(world));
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchangeAsGpt(world, back)));
    const won = answers.filter(({ status }) => status === 200);
    expect(won.length).toBeLessThanOrEqual(1);
    for (const { body } of won) expect(await world.signIn.findCaller(body.access_token)).toBeNull();
    for (const answer of answers) if (answer.status !== 200) expect(answer).toMatchObject(invalidGrant);
  });

  it('last a minute', async () => {
    const back = await signInThrough(world, gptRequest(world));
    expect(await later(61_000, () => exchangeAsGpt(world, back))).toMatchObject(invalidGrant);
  });

  it('belong to their client and flow', async () => {
    const code = (await signInThrough(world, gptRequest(world))).searchParams.get('code') ?? '';
    expect(await requestToken(world, { json: { code } })).toMatchObject(invalidGrant);
    const form = { grant_type: 'authorization_code', code, client_id: ownClientId, redirect_uri: registered };
    expect(await requestToken(world, { form })).toMatchObject(invalidGrant);
    const browser = new TestBrowser();
    const atX = locationOf(await browser.get(`${world.origin}/startAuth`));
    const page = await (await browser.get(world.local(await decideAtX(atX)))).text();
    const back = new URL(`${registered}?code=${fieldOf(page, 'code')}`);
    expect(await exchangeAsGpt(world, back)).toMatchObject(invalidGrant);
    const xCode = new URL(await decideAtX(locationOf(await browser.get(`${world.origin}/startAuth`))));
    expect(await exchangeAsGpt(world, xCode)).toMatchObject(invalidGrant);
  });
});

describe('what counts as an access token (O17, O21)', () => {
  it('is ours alone: no refresh token, no code, no token of X or of another deployment, no JWT', async () => {
    world.simulator.state.requests.clear();
    const connected = await signInDirectly(world);
    const atX = world.simulator.state.requests.all.find(({ path }) => path === '/2/users/me');
    const tokenOfX = atX?.headers.authorization?.replace('Bearer ', '') ?? '';
    expect(tokenOfX.length).toBeGreaterThan(10);
    const jwt = `${btoa('{"alg":"none"}')}.${btoa(`{"sub":"${ada.id}","aud":"${world.publicUrl}"}`)}.`;
    const code = (await signInThrough(world, gptRequest(world))).searchParams.get('code') ?? '';
    const foreign = [
      connected.refresh_token,
      code,
      jwt,
      randomBytes(32).toString('base64url'),
      '',
      '*',
      '\u0000',
    ];
    for (const token of foreign) expect(await world.signIn.findCaller(token)).toBeNull();
  });

  it('ends after an hour', async () => {
    const { access_token } = await signInDirectly(world);
    expect(await later(3_599_000, () => world.signIn.findCaller(access_token))).not.toBeNull();
    expect(await later(3_599_000, async () => world.signIn.recallCaller(access_token))).not.toBeNull();
    expect(await later(3_601_000, async () => world.signIn.recallCaller(access_token))).toBeNull();
    expect(await later(3_601_000, () => world.signIn.findCaller(access_token))).toBeNull();
  });

  it('may have been handed out before tokens noted where their grant and account are', async () => {
    const { access_token } = await signInDirectly(world);
    await world.redis.hdel(recordKey('AccessToken', access_token), 'grant', 'account');
    expect(await world.signIn.findCaller(access_token)).toMatchObject({ accountId: ada.id });
    await world.signIn.revokeAccount(ada.id);
    expect(await world.signIn.findCaller(access_token)).toBeNull();
  });

  it('is nowhere in Redis, nor are refresh tokens and codes', async () => {
    const { access_token, refresh_token } = await signInDirectly(world);
    const back = await signInThrough(world, gptRequest(world));
    const { body } = await exchangeAsGpt(world, back);
    const secrets = [
      access_token,
      refresh_token,
      back.searchParams.get('code'),
      body.access_token,
      body.refresh_token,
    ];
    const stored: string[] = [];
    for (const key of await world.redis.keys('*')) {
      stored.push(key);
      const type = await world.redis.type(key);
      if (type === 'string') stored.push((await world.redis.get(key)) ?? '');
      if (type === 'hash') stored.push(JSON.stringify(await world.redis.hgetall(key)));
      if (type === 'zset') stored.push(JSON.stringify(await world.redis.zrange(key, 0, '-1')));
    }
    expect(stored.length).toBeGreaterThan(20);
    for (const secret of secrets) expect(stored.join('\n')).not.toContain(secret);
    expect(JSON.stringify(world.log)).not.toContain(access_token);
  });
});

describe('the end of an account (O19)', () => {
  it('makes all its tokens, codes and refreshes invalid at once, and no others', async () => {
    const direct = await signInDirectly(world);
    const { body } = await exchangeAsGpt(world, await signInThrough(world, gptRequest(world)));
    const pending = await signInThrough(world, gptRequest(world));
    const other = await signInDirectly(world, 'sandbox_ben');
    await world.signIn.revokeAccount(ada.id);
    for (const token of [direct.access_token, body.access_token])
      expect(await world.signIn.findCaller(token)).toBeNull();
    const json = { refresh_token: direct.refresh_token };
    expect(await requestToken(world, { json, path: '/oauth/refresh' })).toMatchObject(invalidGrant);
    expect(await exchangeAsGpt(world, pending)).toMatchObject(invalidGrant);
    expect(await world.signIn.findCaller(other.access_token)).not.toBeNull();
    expect(await signInDirectly(world)).toMatchObject({ account: { id: ada.id }, scope: everyScope });
  });
});
