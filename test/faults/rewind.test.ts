import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { eventually } from '../eventually.ts';
import { startRedisRelay } from '../redis-relay.ts';
import { append, ask, create, onePicture, type Rig, settled, startRig } from './rig.ts';

const beginSend = '"to":"sending"';
const recordPublished = '"to":"published"';

/** A copy of Redis' files as they are at one moment, the server standing still. */
async function copyOf(rig: Rig) {
  const folder = await mkdtemp(join(tmpdir(), 'post-to-x-rewind-'));
  rig.signalRedis('SIGSTOP');
  await cp(rig.redis.dir, folder, { recursive: true });
  rig.signalRedis('SIGCONT');
  return {
    /** Redis ends, and starts again on the copy. */
    async restore() {
      await rig.killRedis();
      await rm(join(rig.redis.dir, 'appendonlydir'), { recursive: true });
      await cp(folder, rig.redis.dir, { recursive: true });
      await rig.startRedisAgain();
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

describe.concurrent('Redis goes back in time', { timeout: 180_000 }, () => {
  it('under a worker that goes on: to the acceptance, a fetch, an intent, an outcome, or before several posts', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    const [session, other] = [await rig.account(), await rig.account()];
    rig.mediaHost.files.set('/one.png', await onePicture());
    const asked = [
      await ask(session),
      await ask(session, { media_url: rig.mediaHost.url('/one.png') }),
      await ask(session, {}, 1),
    ];
    await using stack = new AsyncDisposableStack();
    const copies = [stack.use(await copyOf(rig))];
    const copyAt = (command: string) =>
      relay.once({ command, at: 'reply', act: async () => void copies.push(stack.use(await copyOf(rig))) });
    const moments = [copyAt('"stage":"fetching"'), copyAt(beginSend), copyAt(recordPublished)];
    await using _worker = await rig.worker({ REDIS_URL: relay.url });
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    await Promise.all(moments);
    copies.push(stack.use(await copyOf(rig)));
    for (let count = 0; count < 3; count++)
      expect(await settled(rig, await ask(other))).toMatchObject({ status: 'published' });
    const sent = rig.requests(session, create).length + rig.requests(other, create).length;
    for (const copy of copies.toReversed()) {
      await copy.restore();
      for (const one of asked) {
        const job = await eventually(() => settled(rig, one));
        expect(job).toMatchObject({ status: 'published' });
      }
    }
    // Nothing was sent a second time, so that nothing depends on X noticing it.
    expect(rig.requests(session, create).length + rig.requests(other, create).length).toBe(sent);
  });

  it('with no worker at hand: not ready and nothing accepted, until one has looked on X for what was forgotten', async () => {
    await using rig = await startRig({ simulator: { duplicateRule: false } });
    const session = await rig.account();
    const asked = await ask(session);
    await using copy = await copyOf(rig);
    const before = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    await eventually(async () => expect((await fetch(`${rig.url}/readyz`)).status).toBe(200));
    before.kill('SIGTERM');
    await before.exited;
    await copy.restore();
    await eventually(async () => {
      const ready = await fetch(`${rig.url}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.text()).toContain('went back in time');
    });
    expect((await session.request('POST', '/postTweet', { text: 'Not now' })).status).toBe(503);
    await using _after = await rig.worker();
    const job = await eventually(() => settled(rig, asked));
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id });
    expect(rig.requests(session, create)).toHaveLength(1);
    await eventually(async () => expect((await fetch(`${rig.url}/readyz`)).status).toBe(200));
  });

  it('in the middle of an upload: the post is sent only when its picture is whole at X, with its alt text', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    const session = await rig.account();
    rig.mediaHost.files.set('/noise.png', await noise(1100, 900).png().toBuffer());
    const hold = rig.simulator.faults.hold(append, 'received');
    const asked = await ask(session, { media_url: rig.mediaHost.url('/noise.png'), alt_texts: ['Noise'] });
    await using stack = new AsyncDisposableStack();
    const copied = Promise.withResolvers<Awaited<ReturnType<typeof copyOf>>>();
    const act = async () => copied.resolve(stack.use(await copyOf(rig)));
    await Promise.all([
      relay.once({ command: '"stage":"uploading"', at: 'reply', act }),
      rig.worker({ REDIS_URL: relay.url }).then(async (before) => {
        stack.use(before);
        await hold.reached;
        await copied.promise;
        await epochRises(rig);
        before.kill('SIGKILL');
        await before.exited;
      }),
    ]);
    hold.release();
    await (await copied.promise).restore();
    await using _after = await rig.worker();
    const job = await eventually(() => settled(rig, asked));
    expect(job).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(1);
    const [mediaId = ''] = rig.tweetsOf(session)[0]?.mediaIds ?? [];
    expect(rig.simulator.state.media.get(mediaId)).toMatchObject({ altText: 'Noise' });
  });
});

/** Workers have seen a later Redis than the one that was copied: they notice when it comes back. */
async function epochRises(rig: Rig): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  const epoch = async () => Number(await redis.hget('epoch', 'epoch'));
  const before = await epoch();
  await eventually(async () => expect(await epoch()).toBeGreaterThan(before + 1));
}
