import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { eventually } from '../eventually.ts';
import { startRedisRelay } from '../redis-relay.ts';
import { isLong } from './long.ts';
import { ask, create, look, mark, onePicture, type Rig, settled, startRig, timeline } from './rig.ts';

const run = promisify(execFile);
const canMount = process.platform === 'linux' && process.getuid?.() === 0 && (await mayMount());

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

  it.each([4, ...(isLong ? [20] : [])])(
    'and away for %i seconds: 503 within one; three seconds after it is back posts are accepted, two later published',
    async (seconds) => {
      await using rig = await startRig({ workers: 1 });
      const session = await rig.account();
      // What the machine needs for a post as it is now, busy with other things perhaps, is none of the outage's doing.
      const unhurried = 4 * (await timed(async () => await settled(rig, await ask(session))));
      await rig.killRedis();
      // Long enough for the pauses between attempts to connect to have grown to their limit.
      const over = pass(seconds * 1000);
      const refusedAfter: number[] = [];
      for (let count = 0; count < 5; count++) {
        const begun = performance.now();
        const refused = await session.request('POST', '/postTweet', { text: 'Too early' });
        expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
        refusedAfter.push(performance.now() - begun);
      }
      expect(refusedAfter.toSorted((a, b) => a - b)[2]).toBeLessThan(1000 + unhurried);
      expect((await fetch(`${rig.url}/readyz`)).status).toBe(503);
      await over;
      await rig.startRedisAgain();
      const backAt = performance.now();
      const asked = await ask(session);
      expect(performance.now() - backAt).toBeLessThan(3000 + unhurried);
      expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
      expect(performance.now() - backAt).toBeLessThan(5000 + unhurried);
      expect(rig.tweetsOf(session)).toHaveLength(2);
    },
    60_000,
  );
});

describe.concurrent('Redis is away', () => {
  it('a worker that is told to stop meanwhile ends in good order, and posts go on with another one', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    await using worker = await rig.worker();
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
    await rig.killRedis();
    worker.kill('SIGTERM');
    expect(await worker.exited).toMatchObject({ code: 0 });
    await rig.startRedisAgain();
    await using _heir = await rig.worker();
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
  });
});

describe.concurrent('Redis does not let anybody in', () => {
  it('for a password that has changed: 503, and readiness says why; it goes on when the password is right again', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    await using redis = await connectRedis(rig.redis.url, 'wait');
    await redis.config('SET', 'requirepass', 'another');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await eventually(async () => {
      const ready = await fetch(`${rig.url}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.text()).toContain('refuses the password');
    });
    expect((await session.request('POST', '/postTweet', { text: 'Not now' })).status).toBe(503);
    await expect(connectRedis(rig.redis.url, 'fail-fast', { timeoutMs: 1000 })).rejects.toThrow(
      'refuses the password',
    );
    await redis.config('SET', 'requirepass', '');
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
  });
});

describe.concurrent("Redis' disk is full (needs root, to have a small one)", () => {
  it.runIf(canMount)(
    '503 while it lasts, and what was at X meanwhile is recorded once there is room again',
    async () => {
      await using disk = await smallDisk();
      await using rig = await startRig({ workers: 1, redisDir: disk.folder });
      const session = await rig.account();
      const hold = rig.simulator.faults.hold(create, 'committed');
      const asked = await ask(session);
      await hold.reached;
      await disk.fill();
      // With a sync of every write, Redis ends rather than acknowledge what it could not keep.
      const accepted = [];
      const refused = await eventually(async () => {
        const begun = performance.now();
        const answer = await session.request('POST', '/postTweet', { text: `No room ${mark()}` });
        if (answer.status === 202) accepted.push(answer.body.job_id);
        expect(answer.status).toBe(503);
        return performance.now() - begun;
      });
      expect(refused).toBeLessThan(2000);
      expect((await fetch(`${rig.url}/readyz`)).status).toBe(503);
      hold.release();
      await rig.killRedis();
      await disk.makeRoom();
      await rig.startRedisAgain();
      expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 1 });
      expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
      // The first, the last, and what still found room.
      expect(rig.tweetsOf(session)).toHaveLength(2 + accepted.length);
    },
  );
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
    await eventually(async () => expect((await look(asked)).status).toBe('published'));
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

/** How long an act takes, ms. */
async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

/** Root in a container is often not allowed to. */
async function mayMount(): Promise<boolean> {
  return await smallDisk().then(
    async (disk) => {
      await disk[Symbol.asyncDispose]();
      return true;
    },
    () => false,
  );
}

/** A disk in memory, of a size that is soon full. */
async function smallDisk() {
  const folder = await mkdtemp(join(tmpdir(), 'post-to-x-disk-'));
  const filler = join(folder, 'filler');
  const dispose = async () => {
    await run('umount', [folder]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  await run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]).catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  return {
    folder,
    fill: async () => {
      // Page by page to the end, which is an error.
      await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096']).catch(() => {});
    },
    makeRoom: () => rm(filler),
    [Symbol.asyncDispose]: dispose,
  };
}

async function setRedis(rig: Rig, name: string, value: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  await redis.config('SET', name, value);
}
