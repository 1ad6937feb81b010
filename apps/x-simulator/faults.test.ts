import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  actThenAnswer, actThenDrop, actThenDropHalfAnswered, answer, at, clientForbidden, delay, dropUnread, dropWhileReading,
  dropWithoutActing, outOfCredits, rateLimited, spoil, together, tooLarge, trickle, unavailable, usageCapped,
} from './fault.ts'; // biome-ignore format: one list
import { createRawClient, type RawClient } from './raw-client.ts';
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

/** A new text each time: no duplicate rule gets in the way. */
const post = () => ada.post('/2/tweets', { text: `Post ${count++}` });
const created = () => simulator.state.tweets.existing().length;
const log = () => simulator.state.requests.all.map(({ phase, status }) => [phase, status]);
const finished = () =>
  simulator.state.requests.waitFor(({ phase }) => phase === 'cut' || phase === 'answered');

/** The bytes of the answer as they came, however broken. */
function postOverSocket(): Promise<string> {
  const { hostname, port } = new URL(simulator.url);
  const body = JSON.stringify({ text: `Post ${count++}` });
  const request =
    `POST /2/tweets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${simulator.signIn().access_token}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(request));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
  });
}

test.each([
  ['before reading', dropUnread(), 0],
  ['in the middle of the body', dropWhileReading(), 0],
  ['after reading', dropWithoutActing(), 0],
  ['after acting', actThenDrop(), 1],
])('the connection is cut %s', async (_when, fault, posts) => {
  simulator.faults.next(create, fault);
  await expect(post()).rejects.toThrow('fetch failed');
  expect((await finished()).phase).toBe('cut');
  expect(created()).toBe(posts);
  expect((await post()).status).toBe(201);
});

test('the connection is cut half-way through the answer', async () => {
  simulator.faults.next(create, actThenDropHalfAnswered());
  const received = await postOverSocket();
  expect(received).toMatch(/^HTTP\/1\.1 201/);
  const [head = '', body = ''] = received.split('\r\n\r\n');
  expect(body.length).toBe(Math.ceil(Number(/content-length: (\d+)/i.exec(head)?.[1]) / 2));
  expect(created()).toBe(1);
  expect(log()).toEqual([['cut', 201]]);
});

test.each([
  ['a status of its own, without acting', answer(500, { title: 'Oops' }), 500, 0],
  ['the empty 413', tooLarge(), 413, 0],
  ['503 as JSON', unavailable(), 503, 0],
  ['503 as a page', unavailable('html'), 503, 0],
  ['503 with nothing', unavailable('empty'), 503, 0],
  ['402', outOfCredits(), 402, 0],
  ['an app that is not enrolled', clientForbidden(), 403, 0],
  ['the monthly cap', usageCapped(), 429, 0],
  ['429 without a reset', rateLimited(), 429, 0],
  ['504 although it acted', actThenAnswer(504, '<html></html>', { 'content-type': 'text/html' }), 504, 1],
])('a request is answered with %s', async (_what, fault, status, posts) => {
  simulator.faults.next(create, fault);
  const { status: got, headers } = await post();
  expect(got).toBe(status);
  expect(headers.get('x-transaction-id')).not.toBeNull();
  expect(headers.get('x-rate-limit-reset')).toBeNull();
  expect(created()).toBe(posts);
});

test('a 429 may say until when', async () => {
  simulator.faults.next(create, rateLimited(20));
  const { headers } = await post();
  expect(headers.get('x-rate-limit-remaining')).toBe('0');
  const seconds = Number(headers.get('x-rate-limit-reset')) - Date.now() / 1000;
  expect(seconds).toBeGreaterThan(18);
  expect(seconds).toBeLessThan(22);
});

test.each([
  ['truncated', /fetch failed|terminated/],
  ['wrong-length', /fetch failed|terminated/],
] as const)('a %s answer never ends well, but the post exists', async (how, error) => {
  simulator.faults.next(create, spoil(how));
  await expect(post()).rejects.toThrow(error);
  expect(created()).toBe(1);
});

test.each(['half-json', 'garbage', 'empty'] as const)(
  'a %s answer is whole but says nothing',
  async (how) => {
    simulator.faults.next(create, spoil(how));
    const { status, json } = await post();
    expect([status, json]).toEqual([201, undefined]);
    expect(created()).toBe(1);
  },
);

test('an answer comes late, or bit by bit', async () => {
  simulator.faults.next(create, together(delay(30), trickle(40, 5)));
  const startedAt = performance.now();
  expect((await post()).status).toBe(201);
  expect(performance.now() - startedAt).toBeGreaterThan(25);
});

test('faults name the nth request, all of them, or those that fit', async () => {
  simulator.faults.nth(create, 2, answer(500));
  expect([(await post()).status, (await post()).status, (await post()).status]).toEqual([201, 500, 201]);
  const rule = simulator.faults.always(create, answer(503));
  expect([(await post()).status, (await post()).status]).toEqual([503, 503]);
  simulator.faults.remove(rule);
  const ben = simulator.state.findUser('sandbox_ben');
  simulator.faults.add(create, answer(418), { times: 2, when: ({ userId }) => userId === ben?.id });
  expect((await post()).status).toBe(201);
  const other = createRawClient(simulator.url, simulator.signIn('sandbox_ben').access_token);
  expect((await other.post('/2/tweets', { text: 'x' })).status).toBe(418);
  expect((await ada.get('/2/users/me')).status).toBe(200);
  simulator.faults.clear();
  expect((await other.post('/2/tweets', { text: 'x' })).status).toBe(201);
});

test('where two faults meet, a refusal of the later one is a refusal: nothing is done and then called refused', async () => {
  simulator.faults.next(create, actThenAnswer(500));
  simulator.faults.next(create, rateLimited());
  expect((await post()).status).toBe(429);
  expect(created()).toBe(0);
});

test('hooks run when a request was read, committed and half answered', async () => {
  const seen: unknown[] = [];
  const note = (point: 'read' | 'committed' | 'half-answered') =>
    at(point, ({ phase, status }) => {
      seen.push([point, phase, status, created()]);
    });
  simulator.faults.next(create, together(note('read'), note('committed'), note('half-answered')));
  expect((await post()).status).toBe(201);
  expect(seen).toEqual([
    ['read', 'read', null, 0],
    ['committed', 'acted', 201, 1],
    ['half-answered', 'acted', 201, 1],
  ]);
});

test('a request is held where it is committed, until it is released', async () => {
  const hold = simulator.faults.hold(create, 'committed');
  const pending = post();
  const request = await hold.reached;
  expect([request.phase, request.status, created()]).toEqual(['acted', 201, 1]);
  hold.release();
  expect((await pending).status).toBe(201);
});

test('a held request ends with its client', async () => {
  const hold = simulator.faults.hold(create, 'half-answered');
  const { hostname, port } = new URL(simulator.url);
  const socket = connect(Number(port), hostname);
  const body = '{"text":"Leaving"}';
  socket.write(
    `POST /2/tweets HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${simulator.signIn().access_token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await hold.reached;
  socket.destroy();
  expect((await finished()).phase).toBe('cut');
  expect(created()).toBe(1);
});

test('a client that leaves in the middle of its body is no bug', async () => {
  const { hostname, port } = new URL(simulator.url);
  const socket = connect(Number(port), hostname);
  socket.write('POST /2/tweets HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf', () =>
    socket.destroy(),
  );
  expect((await finished()).phase).toBe('cut');
});
