import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRawClient, pick, type RawClient } from './raw-client.ts';
import { type Simulator, startSimulator } from './simulator.ts';

const create = 'POST /2/tweets';
let simulator: Simulator;
let ada: RawClient;
let count = 0;

beforeEach(async () => {
  simulator = await startSimulator();
  ada = createRawClient(simulator.url, simulator.signIn().access_token);
});
afterEach(async () => {
  expect(simulator.state.bugs).toEqual([]);
  await simulator[Symbol.asyncDispose]();
});

const post = () => ada.post('/2/tweets', { text: `Post ${count++}` });

test('other processes script faults over HTTP and wait for the moment to act', async () => {
  const control = createRawClient(`${simulator.url}/_simulator`, null);
  const script = { endpoint: create, fault: { hold: 'committed' } };
  const id = pick((await control.post('/faults', script)).json, 'id');
  expect((await control.get(`/faults/${id}/reached?timeout_seconds=0`)).json).toEqual({
    reached: false,
    request: null,
  });
  const reached = control.get(`/faults/${id}/reached`);
  const pending = post();
  expect((await reached).json).toMatchObject({ reached: true, request: { endpoint: create, status: 201 } });
  expect((await control.post(`/faults/${id}/release`)).status).toBe(200);
  expect((await pending).status).toBe(201);
  await control.post('/faults', {
    endpoint: create,
    nth: 2,
    times: null,
    fault: { answer: { status: 500 }, acts: true },
  });
  expect([(await post()).status, (await post()).status, (await post()).status]).toEqual([201, 500, 500]);
  expect((await control.get('/faults')).json).toHaveLength(1);
  await control.delete('/faults');
  expect((await post()).status).toBe(201);
  expect((await control.get('/tweets')).json).toHaveLength(5);
  expect((await control.get(`/requests?endpoint=${encodeURIComponent(create)}`)).json).toHaveLength(5);
  expect((await control.post('/faults', { endpoint: create, fault: { explode: true } })).status).toBe(400);
  expect((await control.post('/settings', { timelineLagMs: 10 })).json).toMatchObject({ timelineLagMs: 10 });
  const tokens = await control.post('/tokens', {
    user: 'sandbox_ben',
    clientId: 'c',
    scope: ['tweet.read', 'users.read'],
  });
  const ben = createRawClient(simulator.url, String(pick(tokens.json, 'access_token')));
  expect((await ben.get('/2/users/me')).status).toBe(200);
  await control.post('/disconnect', { user: 'sandbox_ben' });
  expect((await ben.get('/2/users/me')).status).toBe(401);
  await control.post('/reset');
  expect((await control.get('/tweets')).json).toEqual([]);
  expect(simulator.state.settings.timelineLagMs).toBe(0);
});

test('the log has every request with its endpoint, user and body', async () => {
  await post();
  await createRawClient(simulator.url, null).get('/2/unknown?x=1');
  await ada.post('/2/users/me', {});
  const ada_ = simulator.state.findUser('sandbox_ada');
  expect(simulator.state.requests.all).toMatchObject([
    {
      number: 1,
      endpoint: create,
      userId: ada_?.id,
      clientId: 'sandbox-client',
      status: 201,
      phase: 'answered',
    },
    { number: 2, endpoint: 'GET /2/unknown', query: 'x=1', userId: null, status: 404 },
    { number: 3, endpoint: 'POST /2/users/me', status: 405 },
  ]);
  expect(simulator.state.requests.all[0]?.bodyText).toContain('"text":"Post');
  await expect(simulator.state.requests.waitFor(() => false, 1)).rejects.toThrow(
    'POST /2/tweets answered 201',
  );
});

test('the clock and the rules change over HTTP, but only to what makes sense', async () => {
  const control = createRawClient(`${simulator.url}/_simulator`, null);
  const rateLimits = { 'GET /2/users/me': { user: { limit: 1, windowMs: 1_000 } } };
  expect((await control.post('/settings', { clockOffsetMs: 3_600_000, rateLimits })).status).toBe(200);
  const { headers } = await ada.get('/2/users/me');
  expect(Date.parse(headers.get('date') ?? '') - Date.now()).toBeGreaterThan(3_590_000);
  expect((await ada.get('/2/users/me')).status).toBe(429);
  expect((await control.post('/settings', { now: 1 })).status).toBe(400);
  expect((await control.get('/')).json).toMatchObject({
    routes: expect.arrayContaining(['POST /_simulator/faults']),
  });
  expect((await control.get('/bugs')).json).toEqual([]);
});

test('the address of a post leads to it on the timeline', async () => {
  const id = pick((await post()).json, 'data', 'id');
  const page = createRawClient(simulator.url, null);
  const there = await page.get(`/sandbox_ada/status/${id}`);
  expect([there.status, there.headers.get('location')]).toEqual([302, `/#post-${id}`]);
  expect((await page.get('/sandbox_ada/status/1')).status).toBe(404);
});

test("an app or a person of one's own choice may be simulated", async () => {
  await using other = await startSimulator({
    users: [{ id: '77', username: 'someone', subscriptionType: 'Premium' }],
  });
  const me = await createRawClient(other.url, other.signIn().access_token).get(
    '/2/users/me?user.fields=subscription_type',
  );
  expect(me.json).toEqual({
    data: { id: '77', username: 'someone', name: 'someone', subscription_type: 'Premium' },
  });
});
