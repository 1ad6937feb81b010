import type { Protocol } from './protocol.ts';
import { beginning, nextWorlds } from './steps.ts';
import { postsOf, type World } from './world.ts';

interface Visit {
  readonly world: World;
  readonly from: Visit | null;
  readonly label: string;
  readonly before: Visit[];
}

export interface Exploration {
  readonly states: number;
  /** The shortest way to a state that must not be, one step a line; null when there is none. */
  readonly violation: { readonly rule: Rule; readonly trace: string } | null;
  /** A state without a way to an end. */
  readonly stuck: string | null;
}

/** What must hold in every state. */
const rules = {
  'no duplicate post': (world) => postsOf(world) <= 1,
  'nothing is called failed or canceled that is posted': (world) =>
    !['failed', 'canceled'].includes(world.record.state ?? '') || postsOf(world) === 0,
  'published means posted': (world) => world.record.state !== 'published' || postsOf(world) === 1,
} as const satisfies Record<string, (world: World) => boolean>;
export type Rule = keyof typeof rules;
const allRules = Object.keys(rules) as Rule[];

/** Walks through everything that can happen, breadth first, until a rule breaks. */
export function explore(
  protocol: Protocol,
  { rewinds = 0, watch = allRules }: { rewinds?: number; watch?: readonly Rule[] } = {},
): Exploration {
  const start: World = {
    record: beginning,
    workers: [{ kind: 'idle' }, { kind: 'idle' }],
    requests: [],
    begun: 0,
    rewinds,
    onDisk: protocol.durable ? null : beginning,
  };
  const visits = new Map<string, Visit>();
  const queue: Visit[] = [];
  const visit = (world: World, from: Visit | null, label: string): void => {
    const key = keyOf(world);
    const known = visits.get(key);
    if (known) {
      if (from) known.before.push(from);
      return;
    }
    const added = { world, from, label, before: from ? [from] : [] };
    visits.set(key, added);
    queue.push(added);
  };
  visit(start, null, 'a post is ready to be sent');
  for (const at of queue) {
    const rule = watch.find((name) => !rules[name](at.world));
    if (rule) return { states: visits.size, violation: { rule, trace: traceOf(at) }, stuck: null };
    for (const { label, world } of nextWorlds(at.world, protocol)) visit(world, at, label);
  }
  return { states: visits.size, violation: null, stuck: findStuck(queue) };
}

/** The two workers are alike: worlds that differ in nothing but their numbers are one. */
function keyOf(world: World): string {
  const [first, second] = world.workers;
  const swapped = JSON.stringify({ ...world, workers: [second, first] }).replaceAll(
    /worker ([01])/g,
    (_, number: string) => `worker ${1 - Number(number)}`,
  );
  const straight = JSON.stringify(world);
  return straight < swapped ? straight : swapped;
}

/** A state from which nothing leads to an end for the caller. */
function findStuck(visits: readonly Visit[]): string | null {
  const ends = visits.filter(({ world }) =>
    ['published', 'failed', 'canceled', 'unconfirmed'].includes(world.record.state ?? ''),
  );
  const reached = new Set<Visit>(ends);
  for (const at of reached) for (const before of at.before) reached.add(before);
  const stuck = visits.find((at) => !reached.has(at));
  return stuck ? traceOf(stuck) : null;
}

function traceOf(visit: Visit): string {
  const lines: string[] = [];
  for (let at: Visit | null = visit; at; at = at.from)
    lines.unshift(`${at.label}  [${at.world.record.state}]`);
  return lines.join('\n');
}
