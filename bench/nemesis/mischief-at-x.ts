import { setTimeout as pass } from 'node:timers/promises';
import type { Settings } from '#apps/x-simulator/settings.ts';
import type { Mischief } from './mischief.ts';
import type { Random } from './random.ts';
import { chooseTrick, habits, silences } from './tricks-of-x.ts';
import type { World } from './world.ts';

const create = 'POST /2/tweets';

/** Chooses what X does next; where there is patience, also what takes minutes to get over. All chance is drawn here, in one order, so that a seed repeats the same choices. */
export function chooseAtX(world: World, random: Random, patient: boolean): Mischief {
  const { simulator, doorOfX, users } = world;
  const { faults, state } = simulator;
  const forMs = random.between(500, 5000);
  const user = random.pick(users as [(typeof users)[number], ...typeof users]);
  const rare = random.next() < 0.03;
  const kind = random.pick([
    'create',
    'create',
    'create',
    'other',
    'other',
    'spell',
    patient ? 'silence' : 'create',
    'habit',
    'door',
    'token',
  ] as const);
  switch (kind) {
    case 'create':
    case 'other': {
      const aim = kind === 'create' ? create : undefined;
      const [endpoint, what, fault] = chooseTrick(random, { endpoint: aim, patient });
      return { name: `X answers ${endpoint}: ${what}`, act: async () => void faults.next(endpoint, fault) };
    }
    case 'spell': {
      const aim = random.next() < 0.4 ? create : undefined;
      const [endpoint, what, fault] = chooseTrick(random, { endpoint: aim, patient });
      return {
        name: `X answers ${endpoint} for ${forMs} ms: ${what}`,
        act: async () => {
          const rule = faults.always(endpoint, fault);
          await pass(forMs);
          faults.remove(rule);
        },
      };
    }
    case 'silence': {
      const [what, point, fault] = random.pick(silences);
      return {
        name: `X ${what} a post and says nothing`,
        act: async () => void faults.hold(create, point, {}, fault),
      };
    }
    case 'habit': {
      const [what, change] = random.pick(habits);
      return {
        name: `X ${what} for ${3 * forMs} ms`,
        act: () => changeHabit(state.settings, change, 3 * forMs),
      };
    }
    case 'door':
      return {
        name: `X refuses connections for ${forMs} ms`,
        act: async () => {
          await doorOfX.close();
          await pass(forMs);
          await doorOfX.open();
        },
      };
    case 'token':
      return rare
        ? { name: `${user.username} takes the right away`, act: async () => state.grants.disconnect(user.id) }
        : {
            name: `the token of ${user.username} ends`,
            act: async () => state.grants.expireAccessTokens(user.id),
          };
  }
}

async function changeHabit(settings: Settings, change: Partial<Settings>, forMs: number): Promise<void> {
  const before = { ...settings };
  Object.assign(settings, change);
  await pass(forMs);
  Object.assign(settings, before);
}
