import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../test/eventually.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { connectRedis } from './connect.ts';

let server: Awaited<ReturnType<typeof startRedisServer>>;
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Keeps this process busy, as a burst of work would. */
function beBusy(durationMs: number): void {
  const until = performance.now() + durationMs;
  while (performance.now() < until);
}

it('a process that was busy itself does not take Redis for away', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  const answer = redis.ping();
  beBusy(1000);
  expect(await answer).toBe('PONG');
});

it('after the whole machine stood still, Redis gets its time anew', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  server.kill('SIGSTOP');
  const answer = redis.ping();
  beBusy(1200);
  setTimeout(() => server.kill('SIGCONT'), 300);
  expect(await answer).toBe('PONG');
});

it('a Redis that says nothing is away within a second', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  server.kill('SIGSTOP');
  // A signal to a container takes a moment: until it has arrived, Redis still answers.
  await eventually(() => expect(redis.ping()).rejects.toThrow('timed out'));
  const askedAt = performance.now();
  await expect(redis.ping()).rejects.toThrow('timed out');
  const waitedMs = performance.now() - askedAt;
  server.kill('SIGCONT');
  expect(waitedMs).toBeGreaterThan(500);
});

/** From here on Redis answers no write, and nothing that comes after one on its connection, until what this gives is called. */
async function pauseWrites(): Promise<() => Promise<void>> {
  const other = await connectRedis(server.url, 'wait');
  await other.client('PAUSE', 60_000, 'WRITE');
  return async () => {
    await other.client('UNPAUSE');
    other.disconnect();
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

it('commands that come before the last ones are answered leave together after that', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  const resume = await pauseWrites();
  const first = redis.incr('count');
  await turns(3);
  expect(redis.stream.writableLength).toBe(0);
  const others = [redis.incr('count')];
  await turns(3);
  others.push(redis.incr('count'));
  await turns(3);
  expect(redis.stream.writableLength).toBeGreaterThan(0);
  await resume();
  expect(await Promise.all([first, ...others])).toEqual([1, 2, 3]);
  expect(redis.stream.writableLength).toBe(0);
});

it('all is answered, in order, also where more was sent than a connection takes at a time', async () => {
  await using redis = await connectRedis(server.url, 'fail-fast');
  const resume = await pauseWrites();
  const much = 'x'.repeat(4 * 1024 * 1024);
  const answers: Promise<unknown>[] = [redis.set('some', 'first')];
  for (let round = 0; round < 4; round++) {
    answers.push(redis.echo(much).then(({ length }) => length));
    await turns(2);
    answers.push(redis.multi().set('some', round).get('some').exec());
    await turns(1);
    answers.push(redis.get('some'), redis.pipeline().get('some').exec());
  }
  await resume();
  const each = (round: number) => [
    much.length,
    [
      [null, 'OK'],
      [null, `${round}`],
    ],
    `${round}`,
    [[null, `${round}`]],
  ];
  expect(await Promise.all(answers)).toEqual(['OK', ...[0, 1, 2, 3].flatMap(each)]);
});
