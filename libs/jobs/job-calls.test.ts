import { expect, it } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createJobCalls } from './job-calls.ts';

const { redis } = await useOwnRedis();

const call = (durationMs: number) => ({ endpoint: 'append', status: 204, durationMs, transactionId: 'f00' });

it('the latest fifty calls of a job are kept, in their order, and written together', async () => {
  await redis.hset('job:a', 'state', 'accepted');
  const before = Number(/evalsha?:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  {
    await using calls = createJobCalls({ redis, everyMs: 60_000 });
    for (let count = 0; count < 70; count++) calls.tell('a', call(count + 0.4));
    expect(await calls.read('a')).toEqual([]);
  }
  await using calls = createJobCalls({ redis });
  const kept = await calls.read('a');
  expect(kept.map(({ durationMs }) => durationMs)).toEqual(
    Array.from({ length: 50 }, (_, index) => index + 20),
  );
  expect(kept[0]).toMatchObject({ endpoint: 'append', status: 204, transactionId: 'f00' });
  expect(await redis.ttl('job:a:calls')).toBe(-1);
  const after = Number(/evalsha?:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  expect(after - before).toBeLessThanOrEqual(2);
});

it('calls told after the end of a job live no longer than its record, and none outlives it', async () => {
  await redis.hset('job:ended', 'state', 'published');
  await redis.pexpire('job:ended', 60_000);
  {
    await using calls = createJobCalls({ redis });
    calls.tell('ended', call(1));
    calls.tell('gone', call(1));
  }
  const left = await redis.pttl('job:ended:calls');
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(60_000);
  expect(await redis.exists('job:gone:calls')).toBe(0);
});
