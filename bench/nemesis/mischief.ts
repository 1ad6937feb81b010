import { setTimeout as pass } from 'node:timers/promises';
import {
  actThenAnswer,
  actThenDrop,
  actThenDropHalfAnswered,
  answer,
  delay,
  dropUnread,
  dropWhileReading,
  dropWithoutActing,
  type Fault,
  rateLimited,
  spoil,
} from '#apps/x-simulator/fault.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** A freeze or a silence lasts at most this long: see the window of doubt of the world. */
const longestPauseMs = 2500;

const onCreate = [
  ['500, not created', answer(500)],
  ['500, created', actThenAnswer(500)],
  ['503, created', actThenAnswer(503)],
  ['created, no answer', actThenDrop()],
  ['created, half an answer', actThenDropHalfAnswered()],
  ['read, not created, no answer', dropWithoutActing()],
  ['not read', dropUnread()],
  ['created, answer cut', spoil('truncated')],
  ['created, empty answer', spoil('empty')],
  ['429 for 2 s', rateLimited(2)],
  ['401', answer(401, { title: 'Unauthorized', status: 401 })],
  ['slow', delay(1000)],
] as const satisfies readonly (readonly [string, Fault])[];

const elsewhere = [
  ['POST /2/media/upload/:id/append', 'cut', dropWhileReading()],
  ['POST /2/media/upload/:id/append', '503', answer(503)],
  ['POST /2/media/upload/:id/finalize', 'done, no answer', actThenDrop()],
  ['POST /2/media/upload/initialize', '500', answer(500)],
  ['GET /2/users/:id/tweets', '500', answer(500)],
  ['GET /2/users/:id/tweets', '429', rateLimited(2)],
  ['GET /2/users/:id/tweets', 'cut', dropWithoutActing()],
  ['POST /2/oauth2/token', '503', answer(503)],
] as const satisfies readonly (readonly [string, string, Fault])[];

/** What is lost or met on the wire to Redis. */
const commands = [
  '"to":"sending"',
  '"to":"published"',
  '"to":"confirming"',
  '"to":"ready"',
  'item:',
  'bull:',
] as const;

/** One act of mischief: its name for the history, and the deed, which ends when its damage is over. */
export interface Mischief {
  readonly name: string;
  readonly act: () => Promise<void>;
}

/** Chooses the next mischief. All chance is drawn here, in one order, so that a seed repeats the same choices. */
export function chooseMischief(world: World, random: Random): Mischief {
  const index = random.between(0, world.workers.length - 1);
  const pauseMs = random.between(200, longestPauseMs);
  const kind = random.pick([
    'create',
    'create',
    'create',
    'x',
    'worker',
    'worker',
    'freeze',
    'wire',
    'wire',
    'api',
    'redis',
  ] as const);
  switch (kind) {
    case 'create': {
      const [what, fault] = random.pick(onCreate);
      return {
        name: `X answers a post: ${what}`,
        act: async () => void world.simulator.faults.next('POST /2/tweets', fault),
      };
    }
    case 'x': {
      const [endpoint, what, fault] = random.pick(elsewhere);
      return {
        name: `X answers ${endpoint}: ${what}`,
        act: async () => void world.simulator.faults.next(endpoint, fault),
      };
    }
    case 'worker':
      return chooseDeath(world, random, index);
    case 'freeze':
      return {
        name: `worker ${index} frozen for ${pauseMs} ms`,
        act: () => freeze((signal) => world.workers[index]?.kill(signal), pauseMs),
      };
    case 'wire':
      return chooseWire(world, random, index, pauseMs);
    case 'api':
      return { name: 'API killed', act: () => world.replaceApi('SIGKILL') };
    case 'redis':
      return random.next() < 0.5
        ? { name: 'Redis killed', act: () => world.replaceRedis() }
        : {
            name: `Redis frozen for ${pauseMs} ms`,
            act: () => freeze((signal) => world.redis().kill(signal), pauseMs),
          };
  }
}

/** A worker dies: anywhere, or at a chosen moment of a post at X or of a write to Redis. */
function chooseDeath(world: World, random: Random, index: number): Mischief {
  const how = random.pick(['now', 'stopped', 'committed', 'half-answered', 'at a write'] as const);
  if (how === 'now')
    return { name: `worker ${index} killed`, act: () => world.replaceWorker(index, 'SIGKILL') };
  if (how === 'stopped')
    return { name: `worker ${index} told to stop`, act: () => world.replaceWorker(index, 'SIGTERM') };
  if (how === 'at a write') {
    const command = random.pick(commands);
    return {
      name: `worker ${index} killed right after ${command}`,
      act: async () => {
        await within(
          world.relays[index]?.once({
            command,
            at: 'reply',
            act: () => world.workers[index]?.kill('SIGKILL'),
          }),
        );
        await world.replaceWorker(index, 'SIGKILL');
      },
    };
  }
  return {
    name: `every worker killed with a post ${how}`,
    act: async () => {
      const hold = world.simulator.faults.hold('POST /2/tweets', how);
      await within(hold.reached);
      await Promise.all(world.workers.map((_, each) => world.replaceWorker(each, 'SIGKILL')));
      world.simulator.faults.remove(hold.id);
    },
  };
}

function chooseWire(world: World, random: Random, index: number, pauseMs: number): Mischief {
  const relay = world.relays[index];
  const how = random.pick(['cut', 'stalled', 'lost'] as const);
  if (how === 'lost') {
    const command = random.pick(commands);
    return {
      name: `worker ${index} loses the reply to ${command}`,
      act: async () => void relay?.once({ command, at: 'reply', afterwards: 'lose' }),
    };
  }
  return {
    name: `the wire of worker ${index} ${how} for ${pauseMs} ms`,
    act: async () => {
      if (how === 'cut') relay?.cut();
      else relay?.stall();
      await pass(pauseMs);
      relay?.mend();
    },
  };
}

async function freeze(kill: (signal: NodeJS.Signals) => void, pauseMs: number): Promise<void> {
  kill('SIGSTOP');
  await pass(pauseMs);
  kill('SIGCONT');
}

/** Waits for a moment that may never come. */
async function within(moment: Promise<unknown> | undefined): Promise<void> {
  const over = new AbortController();
  await Promise.race([moment, pass(4000, undefined, { signal: over.signal })]);
  over.abort();
}
