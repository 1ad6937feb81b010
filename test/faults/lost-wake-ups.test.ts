import { setTimeout as pass } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { answer, rateLimited } from '#apps/x-simulator/fault.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { ask, create, onePicture, type Rig, settled, startRig } from './rig.ts';

it('the queues lose entries, what is told of them, or their ids, again and again: posts of every kind and stage reach their end', async () => {
  await using rig = await startRig({ workers: 2 });
  rig.mediaHost.files.set('/one.png', await onePicture());
  const media = { media_url: rig.mediaHost.url('/one.png') };
  rig.simulator.faults.next(create, rateLimited(3));
  rig.simulator.faults.nth(create, 2, answer(500));
  const [one, two, three] = [await rig.account(), await rig.account(), await rig.account()];
  const asked = await Promise.all([
    ask(one),
    ask(one),
    ask(two, {}, 2),
    ask(two, media),
    ask(three, media, 1),
    ask(three, { publish_at: new Date(Date.now() + 3000).toISOString() }),
  ]);
  await loseEntries(rig);
  const jobs = await Promise.all(asked.map((each) => settled(rig, each)));
  expect(jobs.map(({ status }) => status)).toEqual(asked.map(() => 'published'));
});

/** Takes away what the queues hold, in part or in full, with moments in between in which something can begin. */
async function loseEntries(rig: Rig): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  for (const lost of ['*', 'job-*', '[!j]*', '*', 'job-*', '[!j]*', '*']) {
    await pass(500);
    for (const queue of ['media', 'tweets']) {
      const keys = await redis.keys(`bull:${queue}:${lost}`);
      const entries = keys.filter((key) => !key.endsWith(':meta'));
      if (entries.length > 0) await redis.del(...entries);
    }
  }
}
