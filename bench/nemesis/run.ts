import { setTimeout as pass } from 'node:timers/promises';
import { type Caller, createCaller, makeWish, type Wish } from './callers.ts';
import { judgeAfterRewind, judgeWish, judgeWorld } from './judge.ts';
import type { Mischief } from './mischief.ts';
import { chooseAtX } from './mischief-at-x.ts';
import { chooseHere } from './mischief-here.ts';
import { createNotes, type Notes } from './notes.ts';
import { planPosts } from './plans.ts';
import { createRandom, type Random } from './random.ts';
import { createWorld, type World } from './world.ts';

export interface NemesisOptions {
  readonly seed: number;
  readonly posts: number;
  /** How long posts are asked for, and mischief is made. */
  readonly forMs: number;
  /** How long after that every job must have ended. */
  readonly settleMs: number;
  readonly workers?: number;
  /** Whether X may also do what takes minutes to get over. */
  readonly patient: boolean;
  /** Whether Redis may also go back in time: then acknowledged jobs may be gone, but none may be posted twice. */
  readonly rewinds?: boolean;
}

export interface NemesisReport {
  /** What was done and what came of it, with ms since the start. */
  readonly history: readonly string[];
  /** Empty: the promise was kept. */
  readonly broken: readonly string[];
  /** How the jobs ended, by status, and by code where they failed. */
  readonly ends: Readonly<Record<string, number>>;
  /** Acts of mischief. */
  readonly acts: number;
  /** What X really has in the end. */
  readonly posts: number;
}

/** Posts and makes mischief by the seed, lets everything settle, and holds every job against what X really has. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisReport> {
  const notes = createNotes();
  const ends: Record<string, number> = {};
  await using world = await createWorld({ clocks: drawClocks(options) });
  try {
    await play(world, options, notes, ends);
  } catch (error) {
    notes.broken.push(`the run itself failed: ${error instanceof Error ? error.stack : error}`);
  }
  const { history, broken, acts } = notes;
  return { history, broken, ends, acts, posts: world.simulator.state.tweets.all.length };
}

/** All clocks but one are wrong. */
function drawClocks({ seed, workers = 3 }: NemesisOptions): number[] {
  const random = createRandom(seed + 3);
  return Array.from({ length: workers }, (_, index) => (index === 0 ? 0 : random.between(-15_000, 15_000)));
}

async function play(
  world: World,
  options: NemesisOptions,
  notes: Notes,
  ends: Record<string, number>,
): Promise<void> {
  const { seed, forMs, patient, rewinds = false } = options;
  const chance = createRandom(seed + 1);
  notes.note(`the clocks of the workers are off by ${drawClocks(options).join(', ')} ms`);
  const callers = world.users.map(({ username }) => createCaller(world, username));
  await Promise.all(callers.map((caller) => caller.session()));
  const asking = makeWishes(world, callers, options, notes);
  asking.catch(() => {});
  await Promise.all([
    makeMischief((random) => chooseHere(world, random, rewinds), chance, forMs, notes),
    makeMischief((random) => chooseAtX(world, random, patient), createRandom(seed + 2), forMs, notes),
  ]);
  await makePeace(world, notes);
  const wishes = await asking;
  const giveUp = AbortSignal.timeout(options.settleMs);
  await Promise.all(
    wishes.map(async (wish) => {
      const end = rewinds
        ? await judgeAfterRewind(world, wish, giveUp, notes)
        : await judgeWish(world, wish, giveUp, notes);
      ends[end] = (ends[end] ?? 0) + 1;
    }),
  );
  if (!rewinds) await judgeWorld(world, callers, wishes, notes);
}

async function makeWishes(
  world: World,
  callers: readonly Caller[],
  { seed, posts, forMs }: NemesisOptions,
  notes: Notes,
): Promise<Wish[]> {
  const plans = planPosts(createRandom(seed), { count: posts, users: callers.length, overMs: forMs });
  const wishes = await Promise.all(
    plans.map(async (plan) => {
      const caller = callers[plan.user];
      if (!caller) throw new RangeError('no such user');
      const wish = await makeWish(world, caller, plan, seed);
      notes.note(`${wish ? 'accepted' : 'too late for'} ${plan.kind} ${wish?.jobId} ${plan.number}`);
      return wish ?? [];
    }),
  );
  return wishes.flat();
}

async function makeMischief(
  choose: (random: Random) => Mischief,
  random: Random,
  forMs: number,
  notes: Notes,
): Promise<void> {
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    await pass(random.between(100, 700));
    const { name, act } = choose(random);
    notes.acts += 1;
    notes.note(name);
    const wrong = await act();
    if (typeof wrong === 'string') notes.broken.push(`${name}: ${wrong}`);
  }
}

async function makePeace(world: World, notes: Notes): Promise<void> {
  world.simulator.faults.clear();
  for (const relay of world.relays) relay.mend();
  // Some may have died of a rule that was set: fresh ones see the end.
  for (const index of world.workers.keys()) await world.replaceWorker(index, 'SIGKILL');
  await world.replaceApi('SIGKILL');
  notes.note('no more mischief');
}
