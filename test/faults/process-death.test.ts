import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { answer } from '#apps/x-simulator/fault.ts';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { startRedisRelay } from '../redis-relay.ts';
import type { Session } from '../system.ts';
import { append, ask, create, type Rig, settled, startRig, timeline, until } from './rig.ts';

const picture = noise(1100, 900).png().toBuffer();

/** Moves as they pass on the wire to Redis. */
const beginSend = '"to":"sending"';
const recordPublished = '"to":"published"';

describe.concurrent('a worker killed while it sends', () => {
  it.each(['committed', 'half-answered'] as const)(
    'after X has created the post, with the answer %s: there is one post, and the job is published with its id',
    async (point) => {
      await using rig = await startRig();
      const session = await rig.account();
      const hold = rig.simulator.faults.hold(create, point);
      const doomed = await rig.worker();
      const asked = await ask(session);
      await hold.reached;
      const starting = rig.worker();
      doomed.kill('SIGKILL');
      await doomed.exited;
      expect(rig.tweetsOf(session)).toHaveLength(1);
      await using _heir = await starting;
      const job = await settled(rig, asked);
      expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id, attempts: 1 });
      expect(rig.requests(session, create)).toHaveLength(1);
      expect(rig.requests(session, timeline).length).toBeGreaterThan(0);
    },
  );

  it('after the intent is stored and before it connects: X sees one request, made when the post is surely absent', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    await using relay = await startRedisRelay(rig.redis.port);
    const doomed = await rig.worker({ REDIS_URL: relay.url });
    const killed = relay.once({
      command: beginSend,
      at: 'reply',
      afterwards: 'lose',
      act: () => doomed.kill('SIGKILL'),
    });
    const asked = await ask(session);
    await killed;
    await doomed.exited;
    const deadAt = Date.now();
    expect(rig.requests(session, create)).toHaveLength(0);
    await using _heir = await rig.worker();
    await until(rig, asked, (job) => job.status === 'confirming');
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'published', attempts: 2 });
    const [only, ...others] = rig.requests(session, create);
    expect(others).toEqual([]);
    expect(only?.receivedAt).toBeGreaterThan(deadAt + 2000);
    expect(rig.requests(session, timeline).length).toBeGreaterThanOrEqual(2);
  });

  it('after X has answered 201 and before the outcome is stored: no second request, the id is found by reading', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    await using relay = await startRedisRelay(rig.redis.port);
    const doomed = await rig.worker({ REDIS_URL: relay.url });
    const killed = relay.once({
      command: recordPublished,
      at: 'request',
      afterwards: 'lose',
      act: () => doomed.kill('SIGKILL'),
    });
    const asked = await ask(session);
    await killed;
    await doomed.exited;
    await using _heir = await rig.worker();
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

describe.concurrent('a worker killed while it uploads', () => {
  it.each([
    ['before X keeps it', 'read'],
    ['after X has kept it', 'committed'],
  ] as const)(
    'at a segment in the middle, %s: the post is published with the whole picture',
    async (_, point) => {
      await using rig = await startRig();
      const session = await rig.account();
      const hold = rig.simulator.faults.hold(append, point, { nth: 2 });
      const doomed = await rig.worker();
      const asked = await ask(session, { media_url: await givePicture(rig) });
      await hold.reached;
      const starting = rig.worker();
      doomed.kill('SIGKILL');
      await doomed.exited;
      rig.simulator.faults.clear();
      await using _heir = await starting;
      expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
      await expectWholePicture(rig, session);
    },
  );
});

describe.concurrent('a worker told to stop', () => {
  it.each(['read', 'committed', 'half-answered'] as const)(
    'while its request is at X (%s) awaits the answer, records it and ends with 0',
    async (point) => {
      await using rig = await startRig();
      const session = await rig.account();
      const hold = rig.simulator.faults.hold(create, point);
      const worker = await rig.worker();
      const asked = await ask(session);
      await hold.reached;
      worker.kill('SIGTERM');
      await line(worker.output, worker, 'Stopping');
      hold.release();
      expect(await worker.exited).toEqual({ code: 0, signal: null });
      expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 1 });
      expect(rig.requests(session, timeline)).toHaveLength(0);
    },
  );

  it('while a post and an upload are at X takes nothing up again until the post is through', async () => {
    await using rig = await startRig();
    const [poster, uploader] = [await rig.account(), await rig.account()];
    const post = rig.simulator.faults.hold(create, 'committed');
    const upload = rig.simulator.faults.hold(append, 'read');
    const worker = await rig.worker();
    const asked = [await ask(poster), await ask(uploader, { media_url: await givePicture(rig) })] as const;
    await Promise.all([post.reached, upload.reached]);
    worker.kill('SIGTERM');
    await line(worker.output, worker, 'Stopping');
    await using redis = await connectRedis(rig.redis.url, 'wait');
    const entry = `bull:media:job-${asked[1].jobId}-0`;
    await expect
      .poll(() => redis.zscore('bull:media:delayed', entry.slice('bull:media:'.length)))
      .not.toBeNull();
    post.release();
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await redis.hget(entry, 'ats')).toBe('1');
    rig.simulator.faults.clear();
    await using _next = await rig.worker();
    for (const one of asked)
      expect(await settled(rig, one)).toMatchObject({ status: 'published', attempts: 1 });
  });

  it('in the middle of an upload ends with 0, and the next worker goes on', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    const hold = rig.simulator.faults.hold(append, 'read', { nth: 2 });
    const worker = await rig.worker();
    const asked = await ask(session, { media_url: await givePicture(rig) });
    await hold.reached;
    worker.kill('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    rig.simulator.faults.clear();
    await using _next = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 1 });
    await expectWholePicture(rig, session);
  });

  it('while it waits for a token that a dead worker was renewing ends with 0, and the next worker goes on', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    await using redis = await connectRedis(rig.redis.url, 'wait');
    const lock = `lock:refresh:${session.account.id}`;
    await redis.set(lock, 'a dead worker', 'PX', 600_000);
    await using relay = await startRedisRelay(rig.redis.port);
    const worker = await rig.worker({ REDIS_URL: relay.url });
    const waiting = relay.once({ command: lock, at: 'reply', nth: 3 });
    rig.simulator.faults.next(create, answer(401));
    const asked = await ask(session);
    await waiting;
    worker.kill('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await redis.del(lock);
    await using _next = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.tweetsOf(session)).toHaveLength(1);
  });

  it('while it waits for a media host ends with 0, and the next worker goes on', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    const asking = Promise.withResolvers<void>();
    await givePicture(rig, '/slow.png');
    rig.mediaHost.pages.set('/slow.png', () => asking.resolve());
    const worker = await rig.worker();
    const asked = await ask(session, { media_url: rig.mediaHost.url('/slow.png') });
    await asking.promise;
    worker.kill('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    rig.mediaHost.pages.delete('/slow.png');
    await using _next = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
  });
});

async function givePicture(rig: Rig, path = '/noise.png'): Promise<string> {
  rig.mediaHost.files.set(path, await picture);
  return rig.mediaHost.url(path);
}

async function expectWholePicture(rig: Rig, session: Session): Promise<void> {
  const [tweet] = rig.tweetsOf(session);
  const media = rig.simulator.state.media.get(tweet?.mediaIds[0] ?? '');
  const kept = await sharp(await readFile(media?.path ?? ''))
    .raw()
    .toBuffer();
  const given = await sharp(await picture)
    .raw()
    .toBuffer();
  expect(kept.equals(given)).toBe(true);
}

/** Waits for a line of a process. */
async function line(
  output: string[],
  { child }: { child: { stdout: NodeJS.ReadableStream | null } },
  words: string,
): Promise<void> {
  while (!output.some((text) => text.includes(words))) await once(child.stdout ?? process.stdin, 'data');
}
