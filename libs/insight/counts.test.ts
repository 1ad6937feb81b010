import { expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { startRedisServer } from '../../test/redis-server.ts';
import { createCounts } from './counts.ts';
import { readCounts, toText } from './samples.ts';
import { readWorkers, signOfLife } from './workers.ts';

const { redis } = await useOwnRedis();

const text = async () => toText(await readCounts(redis));

it('what several processes count adds up, and nothing is written before the second is over', async () => {
  {
    await using one = createCounts({ redis, everyMs: 60_000 });
    await using other = createCounts({ redis, everyMs: 60_000 });
    one.add('x_calls', ['create_tweet', '201']);
    one.add('x_calls', ['create_tweet', '201']);
    other.add('x_calls', ['create_tweet', '201']);
    other.add('media_bytes', ['uploaded'], 5_000_000_000);
    expect(await redis.keys('*')).toEqual([]);
  }
  expect(await text()).toContain('post_to_x_x_calls_total{endpoint="create_tweet",status="201"} 3\n');
  expect(await text()).toContain('post_to_x_media_bytes_total{direction="uploaded"} 5000000000\n');
});

it('a histogram is cumulative: each bucket holds all that took no longer than its bound', async () => {
  {
    await using counts = createCounts({ redis });
    for (const ms of [50, 51, 100, 700, 31_000]) counts.time('x_call_seconds', ['users_me'], ms);
  }
  const lines = (await text()).split('\n').filter((line) => line.includes('x_call_seconds'));
  const series = (name: string, le = '') =>
    Number(
      lines
        .find((line) => line.startsWith(`post_to_x_x_call_seconds_${name}{endpoint="users_me"${le}}`))
        ?.split(' ')[1],
    );
  const bucket = (le: string) => series('bucket', `,le="${le}"`);
  expect(['0.05', '0.1', '0.5', '1', '30', '+Inf'].map(bucket)).toEqual([1, 3, 3, 4, 4, 5]);
  expect(series('sum')).toBeCloseTo(31.901);
  expect(series('count')).toBe(5);
});

it('what should not be a label becomes one word', async () => {
  {
    await using counts = createCounts({ redis });
    counts.add('refusals', ['503', 'a|b"} 1\nevil 1']);
    counts.add('refusals', ['503', 'x'.repeat(61)]);
  }
  expect(await text()).toContain('post_to_x_refusals_total{status="503",code="other"} 2\n');
  expect(await text()).not.toContain('evil');
});

it('a counter that an alert watches is there as 0 from the start', async () => {
  expect(await text()).toContain('post_to_x_jobs_ended_total{outcome="unconfirmed",code=""} 0\n');
  expect(await text()).toContain('post_to_x_jobs_accepted_total 0\n');
  // Many may fail between two looks of Prometheus: of a series that begins at 8 it would see none rise.
  expect(await text()).toContain('post_to_x_jobs_ended_total{outcome="failed",code="x_forbidden"} 0\n');
});

it('a worker is alive as long as it gives signs of life, and one that ended is gone at once', async () => {
  const alive = async (now = Date.now()) => {
    const [workers] = await readWorkers(redis, now);
    return Object.fromEntries(workers?.samples.map(({ labels, value }) => [labels.queue ?? '', value]) ?? []);
  };
  const one = await signOfLife({ redis, queues: ['tweets'] });
  {
    await using _both = await signOfLife({ redis, queues: ['media', 'tweets'] });
    expect(await alive()).toEqual({ media: 1, tweets: 2 });
  }
  expect(await alive()).toEqual({ media: 0, tweets: 1 });
  expect(await alive(Date.now() + 16_000)).toEqual({ media: 0, tweets: 0 });
  await one[Symbol.asyncDispose]();
  await redis.hset(
    'count:workers',
    'killed',
    JSON.stringify({ at: 1, queues: [], lagSeconds: 0, residentBytes: 0 }),
  );
  await using _next = await signOfLife({ redis, queues: ['media'] });
  expect(await redis.hlen('count:workers')).toBe(1);
});

it('a process that ends while Redis is away does not wait for it', async () => {
  await using away = await startRedisServer();
  await using lost = await connectRedis(away.url, 'wait');
  const counts = createCounts({ redis: lost });
  const sign = await signOfLife({ redis: lost, queues: [] });
  counts.add('jobs_accepted', []);
  away.kill('SIGKILL');
  await away.ended;
  const startedAt = performance.now();
  await counts[Symbol.asyncDispose]();
  await sign[Symbol.asyncDispose]();
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
