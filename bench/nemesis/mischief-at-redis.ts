import { setTimeout as pass } from 'node:timers/promises';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { freeze, type Mischief } from './mischief.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Redis dies, stands still or runs full. */
export function chooseAtRedis(world: World, random: Random, pauseMs: number): Mischief {
  const how = random.pick(['killed', 'frozen', 'full'] as const);
  const act = {
    killed: () => world.replaceRedis(pauseMs),
    frozen: () => freeze((signal) => world.redis().kill(signal), pauseMs),
    full: () =>
      world.atRedis(async (redis) => {
        await redis.config('SET', 'maxmemory', '1');
        await pass(pauseMs);
        await redis.config('SET', 'maxmemory', '0');
      }),
  }[how];
  return { name: `Redis ${how} for ${pauseMs} ms`, act };
}

/** Redis comes back with the files that it had a while ago. */
export function chooseRewind(world: World, random: Random): Mischief {
  const backMs = random.pick([500, 2000, 8000] as const);
  return { name: `Redis goes back by ${backMs} ms`, act: () => world.rewindRedis(backMs) };
}

/** Wake-ups are lost, or doubled: the records are the truth. */
export function chooseAtQueue(world: World, random: Random): Mischief {
  const queue = random.pick(['media', 'tweets'] as const);
  if (random.next() < 0.5)
    return {
      name: `every entry of the queue ${queue} is lost`,
      act: () =>
        world.atRedis(async (redis) => {
          const keys = await redis.keys(`bull:${queue}:*`);
          const lost = keys.filter((key) => !key.endsWith(':meta'));
          if (lost.length > 0) await redis.del(...lost);
        }),
    };
  return {
    name: 'every open job is woken twice more',
    act: () =>
      world.atRedis(async (redis) => {
        await using wakeUps = createWakeUps({ redis });
        for (const jobId of await redis.zrange('jobs:open', 0, '-1'))
          for (const round of ['again', 'twice']) await wakeUps.add(jobId, { round });
      }),
  };
}
