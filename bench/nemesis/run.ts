import { setTimeout as pass } from 'node:timers/promises';
import { brokenPromises } from '../../test/faults/promise.ts';
import { connect } from '../../test/system.ts';
import { makeWish, planPosts, type Wish } from './callers.ts';
import { chooseMischief } from './mischief.ts';
import { createRandom } from './random.ts';
import { createWorld, type World } from './world.ts';

export interface NemesisOptions {
  readonly seed: number;
  readonly posts: number;
  /** How long posts are asked for, and mischief is made. */
  readonly forMs: number;
  /** How long after that every job must have ended. */
  readonly settleMs: number;
  readonly workers?: number;
}

export interface NemesisReport {
  /** What was done and what came of it, with ms since the start. */
  readonly history: readonly string[];
  /** Empty: the promise was kept. */
  readonly broken: readonly string[];
  /** How the jobs ended, by status. */
  readonly ends: Readonly<Record<string, number>>;
}

/** Posts and makes mischief by the seed, lets everything settle, and holds every job against what X really has. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisReport> {
  const { seed, posts, forMs } = options;
  await using world = await createWorld(options.workers ?? 3);
  const history: string[] = [];
  const startedAt = performance.now();
  const note = (line: string) => history.push(`${Math.round(performance.now() - startedAt)} ${line}`);
  const sessions = await Promise.all(
    world.users.map(({ username }) => connect(world.url, world.simulator, username)),
  );
  const plans = planPosts(createRandom(seed), { count: posts, users: sessions.length, overMs: forMs });
  const wishes = Promise.all(
    plans.map(async (plan) => {
      const session = sessions[plan.user];
      if (!session) throw new RangeError('no such user');
      const wish = await makeWish(world, session, plan, seed);
      note(`accepted ${plan.kind} ${wish.jobId}`);
      return wish;
    }),
  );
  wishes.catch(() => {});
  await makeMischief(world, seed, forMs, note);
  const asked = await wishes;
  const broken: string[] = [];
  const ends: Record<string, number> = {};
  const giveUp = AbortSignal.timeout(options.settleMs);
  await Promise.all(
    asked.map(async (wish) => {
      const job = await waitForEnd(wish, giveUp);
      ends[job?.status ?? 'unknown'] = (ends[job?.status ?? 'unknown'] ?? 0) + 1;
      note(`ended ${wish.jobId} ${job?.status} after ${job?.attempts} attempts`);
      broken.push(
        ...(job
          ? brokenPromises(job, wish.marks, world.simulator.state.tweets.all)
          : [`${wish.jobId}: cannot be read`]),
      );
    }),
  );
  broken.push(...world.simulator.state.bugs.map((bug) => `the simulator failed: ${bug.stack}`));
  return { history, broken, ends };
}

async function makeMischief(
  world: World,
  seed: number,
  forMs: number,
  note: (line: string) => void,
): Promise<void> {
  const random = createRandom(seed + 1);
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    await pass(random.between(100, 700));
    const { name, act } = chooseMischief(world, random);
    note(name);
    await act();
  }
  world.simulator.faults.clear();
  for (const relay of world.relays) relay.mend();
  // Some may still be about to die of a rule that was set: fresh ones see the end.
  for (const index of world.workers.keys()) await world.replaceWorker(index, 'SIGTERM');
  note('no more mischief');
}

async function waitForEnd({ session, jobId }: Wish, giveUp: AbortSignal) {
  let last = null;
  while (!giveUp.aborted) {
    const answer = await session.request('GET', `/jobs/${jobId}?wait_seconds=5`).catch(() => null);
    if (answer?.status === 200) last = answer.body;
    if (last?.next_check_seconds === null) return last;
    if (answer?.status !== 200) await pass(200);
  }
  return last;
}
