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
