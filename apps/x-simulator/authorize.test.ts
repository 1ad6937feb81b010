import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

const redirectUri = 'https://app.example/callback';
const challenge = 'a-challenge-of-43-characters-as-sha256-give';
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator();
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

function authorizeUrl(change: Record<string, string | null> = {}): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'app',
    redirect_uri: redirectUri,
    scope: 'tweet.read users.read offline.access',
    state: 'the state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  for (const [name, value] of Object.entries(change))
    if (value === null) query.delete(name);
    else query.set(name, value);
  return `${simulator.url}/i/oauth2/authorize?${query}`;
}

test('a denial goes back with access_denied and the state', async () => {
  const back = await simulator.authorize(authorizeUrl(), { decision: 'deny' });
  expect(back.href).toBe(`${redirectUri}?error=access_denied&state=the+state`);
});

test.each([
  ['client_id', { client_id: null }],
  ['response_type', { response_type: 'token' }],
  ['redirect_uri', { redirect_uri: 'http://app.example/callback' }],
  ['scope', { scope: 'tweet.read everything' }],
  ['state', { state: 'x'.repeat(501) }],
  ['code_challenge', { code_challenge: null }],
  ['code_challenge_method', { code_challenge_method: 'S512' }],
])('a wrong %s shows an error page and redirects nowhere', async (_name, change) => {
  const answer = await createRawClient(simulator.url, null).get(
    authorizeUrl(change).slice(simulator.url.length),
  );
  expect(answer.status).toBe(400);
  expect(answer.headers.get('location')).toBeNull();
  expect(answer.text).toContain('Something went wrong');
  await expect(simulator.authorize(authorizeUrl(change))).rejects.toThrow('error page');
});

test('the authorize page escapes what the app sends', async () => {
  const url = authorizeUrl({ client_id: '"><script>alert(1)</script>' });
  const { text } = await createRawClient(simulator.url, null).get(url.slice(simulator.url.length));
  expect(text).not.toContain('<script>alert');
});
