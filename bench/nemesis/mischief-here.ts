import { setTimeout as pass } from 'node:timers/promises';
import { freeze, type Mischief, within } from './mischief.ts';
import { chooseAtQueue, chooseAtRedis, chooseRewind } from './mischief-at-redis.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** What is lost or met on the wire to Redis: writes of a job, an item, a queue, a token pair, a gate. */
const commands = [
  '"to":"sending"',
  '"to":"published"',
  '"to":"confirming"',
  '"to":"ready"',
  '"to":"failed"',
  '"tweet":{',
  'item:',
  'bull:',
  'v1.k1.',
  'lock:refresh:',
  'gate:',
] as const;

/** Steps of X's side at which a worker may be killed or told to stop. */
const steps = [
  'POST /2/tweets',
  'POST /2/tweets',
  'POST /2/tweets',
  'POST /2/media/upload/initialize',
  'POST /2/media/upload/:id/append',
  'POST /2/media/upload/:id/finalize',
  'GET /2/media/upload',
  'GET /2/users/:id/tweets',
  'POST /2/oauth2/token',
] as const;

/**
 * Chooses what happens to our own processes, wires and queues. All chance is drawn here, in one order, so that a seed
 * repeats the same choices.
 */
export function chooseHere(world: World, random: Random, rewinds: boolean): Mischief {
  const index = random.between(0, world.workers.length - 1);
  const pauseMs = random.between(200, 2500) * (random.next() < 0.15 ? 4 : 1);
  const signal = random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM'] as const);
  if (rewinds && random.next() < 0.08) return chooseRewind(world, random);
  const kind = random.pick([
    'worker',
    'worker',
    'step',
    'step',
    'step',
    'freeze',
    'wire',
    'wire',
    'wire',
    'api',
    'redis',
    'queue',
  ] as const);
  switch (kind) {
    case 'worker':
      return chooseDeath(world, random, index, signal);
    case 'step':
      return chooseStep(world, random, signal);
    case 'freeze':
      return {
        name: `worker ${index} frozen for ${pauseMs} ms`,
        act: () => freeze((how) => world.signalWorker(index, how), pauseMs),
      };
    case 'wire':
      return chooseWire(world, random, random.between(0, world.relays.length - 1), pauseMs);
    case 'api':
      return chooseEndOfApi(world, random, signal);
    case 'redis':
      return chooseAtRedis(world, random, pauseMs);
    case 'queue':
      return chooseAtQueue(world, random);
  }
}

/** A worker dies: anywhere, or right before or after a write to Redis; or it is frozen there, beyond its deadline. */
function chooseDeath(world: World, random: Random, index: number, signal: 'SIGKILL' | 'SIGTERM'): Mischief {
  const command = random.pick(commands);
  const at = random.pick(['request', 'reply'] as const);
  const how = random.pick(['now', 'write', 'write', 'intent'] as const);
  const relay = world.relays[index];
  if (how === 'now')
    return {
      name: `worker ${index} ended by ${signal}`,
      act: async () => judgeExits(signal, [await world.replaceWorker(index, signal)]),
    };
  if (how === 'intent')
    return {
      name: `worker ${index} frozen for 8 s with an intent written`,
      act: async () => {
        const act = onTime(() => freeze((what) => world.signalWorker(index, what), 8000));
        await within(relay?.once({ command: '"to":"sending"', at: 'reply', act }), 12_000);
        act.over();
      },
    };
  return {
    name: `worker ${index} killed at the ${at} of ${command}`,
    act: async () => {
      const act = onTime(() => world.signalWorker(index, 'SIGKILL'));
      await within(relay?.once({ command, at, act }));
      act.over();
      await world.replaceWorker(index, 'SIGKILL');
    },
  };
}

/** All workers end while X is at a chosen point of a call; told to stop, they are answered. */
function chooseStep(world: World, random: Random, signal: 'SIGKILL' | 'SIGTERM'): Mischief {
  const endpoint = random.pick(steps);
  const point = random.pick(['read', 'committed', 'half-answered'] as const);
  return {
    name: `every worker ended by ${signal} with ${endpoint} ${point}`,
    act: async () => {
      const hold = world.simulator.faults.hold(endpoint, point);
      await within(hold.reached);
      const replaced = Promise.all(world.workers.map((_, each) => world.replaceWorker(each, signal)));
      if (signal === 'SIGTERM') await pass(500);
      else await replaced;
      world.simulator.faults.remove(hold.id);
      return judgeExits(signal, await replaced);
    },
  };
}

/** Told to stop, a process ends well. */
function judgeExits(signal: 'SIGKILL' | 'SIGTERM', codes: readonly (number | null)[]): string | null {
  const well = signal === 'SIGKILL' || codes.every((code) => code === 0);
  return well ? null : `told to stop, a process ended with ${codes.join(', ')}`;
}

function chooseWire(world: World, random: Random, index: number, pauseMs: number): Mischief {
  const relay = world.relays[index];
  const whose = index < world.workers.length ? `worker ${index}` : 'the API';
  const command =
    index < world.workers.length ? random.pick(commands) : random.pick(['idem:', 'bull:', 'grant'] as const);
  const how = random.pick(['cut', 'stalled', 'lost', 'lost'] as const);
  const at = random.pick(['request', 'reply'] as const);
  if (how === 'lost')
    return {
      name: `the ${at} of ${command} of ${whose} is lost`,
      act: async () => void relay?.once({ command, at, afterwards: 'lose' }),
    };
  return {
    name: `the wire of ${whose} ${how} for ${pauseMs} ms`,
    act: async () => {
      if (how === 'cut') relay?.cut();
      else relay?.stall();
      await pass(pauseMs);
      relay?.mend();
    },
  };
}

/** The API ends: anywhere, or with a post stored and not answered. */
function chooseEndOfApi(world: World, random: Random, signal: 'SIGKILL' | 'SIGTERM'): Mischief {
  if (random.next() < 0.5)
    return {
      name: `the API ended by ${signal}`,
      act: async () => judgeExits(signal, [await world.replaceApi(signal)]),
    };
  const at = random.pick(['request', 'reply'] as const);
  return {
    name: `the API killed at the ${at} of an acceptance`,
    act: async () => {
      const act = onTime(() => world.signalApi('SIGKILL'));
      await within(world.relays.at(-1)?.once({ command: 'idem:', at, act }));
      act.over();
      await world.replaceApi('SIGKILL');
    },
  };
}

/** A deed for a moment that may come too late: it is not done any more once that is `over`. */
function onTime(act: () => Promise<void> | void) {
  let isOver = false;
  const deed = () => (isOver ? undefined : act());
  return Object.assign(deed, {
    over: () => {
      isOver = true;
    },
  });
}
