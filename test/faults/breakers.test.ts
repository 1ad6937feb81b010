import { describe, expect, it } from 'vitest';
import { answer, delay, outOfCredits, together } from '#apps/x-simulator/fault.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type Asked, ask, create, type Rig, settled, startRig, timeline, until } from './rig.ts';

const accountsOf = (rig: Rig) => Promise.all(Array.from({ length: 6 }, () => rig.account()));
/** Requests to create a post, of whoever, as far as they reached X. */
const creates = (rig: Rig) => rig.simulator.state.requests.all.filter(({ endpoint }) => endpoint === create);
const isWaiting = (rig: Rig, asked: Asked) => until(rig, asked, ({ status }) => status === 'waiting');

/** As if the time were over for which X is left alone: gates may be asked again, and who waits does. */
async function letTimePass(rig: Rig, jobs: readonly Asked[]): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  for (const key of await redis.keys('gate:*'))
    if ((await redis.hexists(key, 'closed_until')) === 1)
      await redis.hset(key, 'closed_until', Date.now() - 1);
  for (const { jobId } of jobs) await redis.hdel(`job:${jobId}`, 'not_before');
  for (const entry of await redis.zrange('bull:tweets:delayed', '0', '-1'))
    await redis.zadd('bull:tweets:delayed', 'XX', '0', entry);
  for (const { jobId } of jobs) await redis.zadd('jobs:open', 'XX', '0', jobId);
}

/** What the workers have learned of a gate of the app. */
async function known(rig: Rig, gate: 'credits' | 'down', field: 'closings' | 'strikes'): Promise<number> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  return Number(await redis.hget(`gate:app:${gate}`, field));
}

describe.concurrent('the app has no credits at X', () => {
  it('one account finds out, nobody else calls, one post at a time asks again, and all go on once there are some', async () => {
    await using rig = await startRig({ workers: 2 });
    const [first, ...others] = await accountsOf(rig);
    if (!first) throw new Error('no account');
    const poor = rig.simulator.faults.always(create, outOfCredits());
    const asked = [await ask(first)];
    await isWaiting(rig, asked[0] as Asked);
    asked.push(...(await Promise.all(others.map((account) => ask(account)))));
    for (const one of asked) expect((await isWaiting(rig, one)).message).toMatch(/credits/i);
    expect(creates(rig)).toHaveLength(1);

    await letTimePass(rig, asked);
    await expect.poll(() => known(rig, 'credits', 'closings')).toBe(2);
    expect(creates(rig)).toHaveLength(2);

    rig.simulator.faults.remove(poor);
    rig.simulator.faults.always(create, delay(300));
    await letTimePass(rig, asked);
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    const [probe, ...rest] = creates(rig)
      .slice(2)
      .map(({ receivedAt }) => receivedAt);
    expect(rest).toHaveLength(asked.length - 1);
    expect(Math.min(...rest) - (probe ?? 0)).toBeGreaterThanOrEqual(300);
  });
});

describe.concurrent('X is down', () => {
  it('is left alone after five failures in a row, whoever had them; one probe finds it back, and no post is made twice', async () => {
    await using rig = await startRig({ workers: 2 });
    const accounts = await accountsOf(rig);
    const down = [create, timeline].map((endpoint) =>
      rig.simulator.faults.always(endpoint, together(answer(503), delay(400))),
    );
    const asked = await Promise.all(accounts.map((account) => ask(account)));
    const calls = () =>
      rig.simulator.state.requests.all.filter(({ endpoint }) => [create, timeline].includes(endpoint));
    await expect.poll(() => known(rig, 'down', 'strikes')).toBeGreaterThanOrEqual(5);
    const later = await Promise.all(accounts.map((account) => ask(account)));
    for (const one of later) expect((await isWaiting(rig, one)).message).toMatch(/X (does not|cannot|is)/);
    // Those that were on their way when the fifth failed had been let through before.
    await expect.poll(() => known(rig, 'down', 'strikes')).toBe(calls().length);
    const before = calls().length;
    expect(before).toBeLessThan(5 + accounts.length);

    await letTimePass(rig, [...asked, ...later]);
    await expect.poll(() => known(rig, 'down', 'strikes')).toBe(before + 1);
    expect(calls()).toHaveLength(before + 1);

    for (const fault of down) rig.simulator.faults.remove(fault);
    await letTimePass(rig, [...asked, ...later]);
    for (const one of [...asked, ...later])
      expect(await settled(rig, one)).toMatchObject({ status: 'published' });
  });
});
