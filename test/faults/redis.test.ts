import { setTimeout as pass } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { startRedisRelay } from '../redis-relay.ts';
import { ask, create, look, onePicture, type Rig, settled, startRig, timeline } from './rig.ts';

const beginSend = '"to":"sending"';

describe.concurrent('Redis is killed', () => {
  it('and restarted under jobs in all states: each reaches its end, none is lost, none is posted twice', async () => {
    await using rig = await startRig({ workers: 2 });
    rig.mediaHost.files.set('/one.png', await onePicture());
    const sessions = await Promise.all(Array.from({ length: 4 }, () => rig.account()));
    const soon = () => new Date(Date.now() + 6000).toISOString();
    const bodies = [{}, { media_url: rig.mediaHost.url('/one.png') }, { publish_at: soon() }, {}];
    const asked = await Promise.all(
      sessions.flatMap((session) =>
        bodies.flatMap((body, index) => [ask(session, body, index === 3 ? 2 : 0), ask(session, body)]),
      ),
    );
    const [waiting] = asked;
    await rig.killRedis();
    await rig.startRedisAgain();
    const jobs = await Promise.all(asked.map((one) => settled(rig, one)));
    expect(jobs.map((job) => job.status)).toEqual(asked.map(() => 'published'));
    expect(waiting && (await look(waiting)).status).toBe('published');
  });

  it('and away: 503 within a second; when it is back, posts are accepted and published without a restart', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    await rig.killRedis();
    const begun = performance.now();
    const refused = await session.request('POST', '/postTweet', { text: 'Too early' });
    expect(refused.status).toBe(503);
    expect(performance.now() - begun).toBeLessThan(2000);
    expect((await fetch(`${rig.url}/readyz`)).status).toBe(503);
    // Long enough for the pauses between attempts to connect to have grown to their limit.
    await pass(4000);
    await rig.startRedisAgain();
    const backAt = performance.now();
    const accepted = await ask(session);
    expect(performance.now() - backAt).toBeLessThan(4000);
    expect(await settled(rig, accepted)).toMatchObject({ status: 'published' });
    expect(rig.tweetsOf(session)).toHaveLength(1);
  });
});

describe.concurrent('the wire to Redis breaks', () => {
  it('and loses the reply to the intent: the script, sent again, knows its own write, and there is one post', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    await using _worker = await rig.worker({ REDIS_URL: relay.url });
    const session = await rig.account();
    const lost = relay.once({ command: beginSend, at: 'reply', afterwards: 'lose' });
    const asked = await ask(session);
    await lost;
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(1);
    expect(rig.requests(session, timeline)).toHaveLength(0);
  });

  it('and loses the reply to the outcome: it counts once', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    await using _worker = await rig.worker({ REDIS_URL: relay.url });
    const session = await rig.account();
    // Of the first post of the thread, then of the last.
    const lost = relay.once({ command: '"tweet":{', at: 'reply', afterwards: 'lose' });
    const lostToo = relay.once({ command: '"to":"published"', at: 'reply', afterwards: 'lose' });
    const asked = await ask(session, {}, 1);
    await Promise.all([lost, lostToo]);
    const job = await settled(rig, asked);
    expect(job.tweets).toHaveLength(2);
    expect(rig.requests(session, create)).toHaveLength(2);
  });

  it('for the worker that holds a post ready to be sent: another one sends it, and the first goes on when it is back', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    await using _cutOff = await rig.worker({ REDIS_URL: relay.url });
    const session = await rig.account();
    const cut = relay.once({ command: beginSend, at: 'request', act: () => relay.cut(), afterwards: 'lose' });
    const asked = await ask(session);
    await cut;
    const fine = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    fine.kill('SIGTERM');
    await fine.exited;
    relay.mend();
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(2);
  });
});

describe.concurrent('Redis runs full', () => {
  it('between the intent and the outcome: the outcome is recorded all the same, and nothing new is accepted', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    const hold = rig.simulator.faults.hold(create, 'committed');
    const asked = await ask(session);
    await hold.reached;
    await setRedis(rig, 'maxmemory', '1');
    hold.release();
    await vi.waitFor(async () => expect((await look(asked)).status).toBe('published'), { timeout: 20_000 });
    expect((await session.request('POST', '/postTweet', { text: 'No room' })).status).toBe(503);
    await setRedis(rig, 'maxmemory', '0');
    expect(await settled(rig, asked)).toMatchObject({ tweet_id: rig.tweetsOf(session)[0]?.id });
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
  });
});

describe.concurrent('a Redis that may lose what it acknowledged', () => {
  it.each([
    ['maxmemory-policy', 'allkeys-lru'],
    ['appendonly', 'no'],
    ['appendfsync', 'everysec'],
  ])('(%s %s) is named by /readyz, and nothing is accepted', async (name, value) => {
    await using rig = await startRig();
    const session = await rig.account();
    await setRedis(rig, name, value);
    const ready = await fetch(`${rig.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain(name);
    expect((await session.request('POST', '/postTweet', { text: 'Not here' })).status).toBe(503);
  });
});

async function setRedis(rig: Rig, name: string, value: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  await redis.config('SET', name, value);
}
