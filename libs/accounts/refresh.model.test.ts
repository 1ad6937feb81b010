import { describe, expect, test } from 'vitest';
import { decide, nextSteps } from './refresh.model.ts';
import { createWorld, type Protocol, type World, wholeProtocol } from './refresh.world.ts';

interface Visit {
  readonly world: World;
  readonly from: Visit | null;
  readonly by: string;
  /** Where it can be left from. */
  readonly before: Visit[];
}

/** Every state that can be reached, each by a shortest way; ends early at a state that is looked for. */
function explore(
  protocol: Protocol,
  budget: Partial<World>,
  isFound: (world: World) => boolean = () => false,
): Visit[] {
  const visits = new Map<string, Visit>();
  const queue: Visit[] = [];
  const visit = (world: World, from: Visit | null, by: string) => {
    const key = JSON.stringify(world);
    const known = visits.get(key);
    if (known && from) known.before.push(from);
    if (known) return;
    const added = { world, from, by, before: from ? [from] : [] };
    visits.set(key, added);
    queue.push(added);
  };
  visit(createWorld(budget), null, 'start');
  for (const at of queue) {
    if (isFound(at.world)) break;
    if (queue.length > 100_000) throw new Error(`The model has no end:\n${traceOf(at)}`);
    for (const { name, world } of nextSteps(at.world, protocol)) visit(world, at, name);
  }
  return queue;
}

function traceOf(visit: Visit): string {
  const names: string[] = [];
  for (let at: Visit | null = visit; at; at = at.from) names.unshift(at.by);
  return names.join('\n');
}

/** Sentences that must be true of every state; each names what would be wrong. */
const wrongs: Record<string, (world: World) => boolean> = {
  'two processes present the token at once': ({ processes }) =>
    processes.filter(({ at }) => at === 'sending' || at === 'waiting').length > 1,
  'a token is presented although its successor was kept': ({ processes, record, disks, x }) => {
    const kept = Math.max(record.sealed ?? 0, ...disks.flat().map(({ pair }) => pair));
    const isPast = (pair: number) => pair < kept && pair >= x.first;
    return processes.some(({ at, seen }) => at === 'sending' && seen !== null && isPast(seen.pair));
  },
  'an account is given up although no pair was lost': ({ record, pairLost }) =>
    record.st === 'DEAD' && !pairLost,
  'X has killed the tokens although no pair was lost': ({ x, pairLost }) => x.dead && !pairLost,
  'an older pair was stored over a newer one': ({ record, x, pairLost }) =>
    record.st === 'OK' && record.v > 1 && record.sealed !== x.pair && !pairLost,
};

function isSettled(world: World): boolean {
  const idle = world.processes.every(({ at }) => at === 'idle');
  const good = world.record.st === 'OK' && world.record.sealed === world.x.pair && !world.x.dead;
  return idle && decide(world) !== 'ask' && (good || world.record.st === 'DEAD');
}

/** States from which no sequence of steps leads to a good end. */
function withoutEnd(visits: readonly Visit[]): Visit[] {
  const good = new Set<Visit>();
  const open = visits.filter(({ world }) => isSettled(world));
  for (let visit = open.pop(); visit; visit = open.pop()) {
    if (good.has(visit)) continue;
    good.add(visit);
    open.push(...visit.before);
  }
  return visits.filter((visit) => !good.has(visit));
}

const nothingWrong = {
  crashes: 0,
  losses: 0,
  refusals: 0,
  resends: 0,
  storeFailures: 0,
  stalls: 0,
  signIns: 0,
};
const budgets = [
  { ...nothingWrong, crashes: 2, losses: 1 },
  { ...nothingWrong, crashes: 1, losses: 1, refusals: 1 },
  { ...nothingWrong, crashes: 1, losses: 1, resends: 1 },
  { ...nothingWrong, crashes: 1, losses: 1, stalls: 1 },
  { ...nothingWrong, crashes: 1, storeFailures: 1, refusals: 1 },
  { ...nothingWrong, losses: 1, storeFailures: 1, stalls: 1, refusals: 1 },
  { ...nothingWrong, crashes: 1, storeFailures: 1, signIns: 1 },
];

describe.each(budgets)('two processes in every order, with %j', (budget) => {
  const visits = explore(wholeProtocol, budget);

  test('the account comes to a good end somewhere, in many states', () => {
    expect(visits.length).toBeGreaterThan(1000);
    expect(visits.some(({ world }) => isSettled(world) && world.record.st === 'OK')).toBe(true);
  });

  test.each(Object.keys(wrongs))('it never happens that %s', (wrong) => {
    const found = visits.find(({ world }) => wrongs[wrong]?.(world));
    expect(found && traceOf(found)).toBeUndefined();
  });

  test('from everywhere there is a way to a good pair or to a new sign-in', () => {
    const [stuck] = withoutEnd(visits);
    expect(stuck && traceOf(stuck)).toBeUndefined();
  });

  test('while the old access token lives it is handed out, whatever became of the refresh', () => {
    const found = visits.find(
      ({ world }) => world.oldAlive && world.record.st === 'REFRESHING' && decide(world) !== 'use',
    );
    expect(found && traceOf(found)).toBeUndefined();
  });
});

describe('each part of the protocol is needed', () => {
  test.each<[keyof Protocol, string, object]>([
    ['lock', 'two processes present the token at once', {}],
    ['marker', 'X has killed the tokens although no pair was lost', { crashes: 1 }],
    ['replayFirst', 'a token is presented although its successor was kept', { crashes: 1 }],
    ['sharedDisk', 'a token is presented although its successor was kept', { crashes: 1 }],
    ['compareOnKill', 'an account is given up although no pair was lost', { signIns: 1 }],
    ['spool', 'an account is given up although no pair was lost', { crashes: 1 }],
  ])('without %s it happens that %s', (part, wrong, budget) => {
    const isWrong = (world: World) => wrongs[wrong]?.(world) ?? false;
    const happens = (protocol: Protocol) =>
      explore(protocol, { ...nothingWrong, ...budget }, isWrong).some(({ world }) => isWrong(world));
    expect(happens(wholeProtocol)).toBe(false);
    expect(happens({ ...wholeProtocol, [part]: false })).toBe(true);
  });
});
