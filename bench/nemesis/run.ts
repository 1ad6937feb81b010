import { setTimeout as pass } from 'node:timers/promises';
import { brokenPromises } from '../../test/faults/promise.ts';
import { type Caller, createCaller, makeWish, seeThrough, type Wish } from './callers.ts';
import { findLeftovers, findPresentedTwice, findSecrets } from './checks.ts';
import { explainJob } from './explain.ts';
import type { Mischief } from './mischief.ts';
import { chooseAtX } from './mischief-at-x.ts';
import { chooseHere } from './mischief-here.ts';
import { findOrphans } from './orphans.ts';
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

type Notes = ReturnType<typeof createNotes>;

function createNotes() {
  const startedAt = performance.now();
  const history: string[] = [];
  return {
    history,
    broken: [] as string[],
    acts: 0,
    note: (line: string) => void history.push(`${Math.round(performance.now() - startedAt)} ${line}`),
  };
}

/** Posts and makes mischief by the seed, lets everything settle, and holds every job against what X really has. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisReport> {
  const { seed, forMs } = options;
  const notes = createNotes();
  const chance = createRandom(seed + 1);
  const clocks = Array.from({ length: options.workers ?? 3 }, (_, index) =>
    index === 0 ? 0 : chance.between(-15_000, 15_000),
  );
  await using world = await createWorld({ clocks });
  notes.note(`the clocks of the workers are off by ${clocks.join(', ')} ms`);
  const callers = world.users.map(({ username }) => createCaller(world, username));
  await Promise.all(callers.map((caller) => caller.session()));
  const asking = makeWishes(world, callers, options, notes);
  asking.catch(() => {});
  await Promise.all([
    makeMischief((random) => chooseHere(world, random), chance, forMs, notes),
    makeMischief((random) => chooseAtX(world, random, options.patient), createRandom(seed + 2), forMs, notes),
  ]);
  await makePeace(world, notes);
  const wishes = await asking;
  const ends: Record<string, number> = {};
  const giveUp = AbortSignal.timeout(options.settleMs);
  await Promise.all(
    wishes.map(async (wish) => {
      const end = await judgeWish(world, wish, giveUp, notes);
      ends[end] = (ends[end] ?? 0) + 1;
    }),
  );
  await judgeWorld(world, callers, wishes, notes);
  const { history, broken, acts } = notes;
  return { history, broken, ends, acts, posts: world.simulator.state.tweets.all.length };
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

/** Holds one job against X's books; resolves to how it ended. */
async function judgeWish(world: World, wish: Wish, giveUp: AbortSignal, notes: Notes): Promise<string> {
  const job = await seeThrough(world, wish, giveUp);
  notes.note(`ended ${wish.jobId} ${job?.status} ${job?.error?.code ?? ''} after ${job?.attempts} attempts`);
  const broken = job
    ? brokenPromises(job, wish.marks, world.simulator.state.tweets.all)
    : [`${wish.jobId}: cannot be read`];
  const again = await wish.caller.ask('POST', '/postTweet', wish.body);
  if (again.body.job_id !== wish.jobId)
    broken.push(`${wish.jobId}: the same again is ${again.status} ${JSON.stringify(again.body)}`);
  if (wish.plan.kind === 'bad media' && job?.status === 'published') broken.push(`${wish.jobId}: published`);
  if (broken.length > 0) notes.broken.push(...broken, ...(await explainJob(world, wish)));
  return [job?.status ?? 'unknown', job?.error?.code].filter(Boolean).join(' ');
}

/** What must hold of everything together, once all jobs have ended. */
async function judgeWorld(
  world: World,
  callers: readonly Caller[],
  wishes: readonly Wish[],
  notes: Notes,
): Promise<void> {
  const jobIds = wishes.map(({ jobId }) => jobId);
  let leftovers = await findLeftovers(world, jobIds);
  for (let turn = 0; turn < 200 && leftovers.length > 0; turn++) {
    await pass(500);
    leftovers = await findLeftovers(world, jobIds);
  }
  const bugs = world.simulator.state.bugs.map((bug) => `the simulator failed: ${bug.stack}`);
  const codes = await world.stop();
  const stopped = codes.every((code) => code === 0) ? [] : [`told to stop, processes ended with ${codes}`];
  const orphans = await findOrphans(world.children);
  notes.broken.push(
    ...leftovers,
    ...(await findSecrets(world, callers)),
    ...findPresentedTwice(world),
    ...stopped,
    ...orphans.map(({ pid }) => `process ${pid} outlives the one that started it`),
    ...bugs,
  );
}
