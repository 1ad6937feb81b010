import { setTimeout as pass } from 'node:timers/promises';
import { brokenPromises } from '../../test/faults/promise.ts';
import { type Caller, seeThrough, type Wish } from './callers.ts';
import { findLeftovers, findPresentedTwice, findSecrets } from './checks.ts';
import { explainJob } from './explain.ts';
import type { Notes } from './notes.ts';
import { findOrphans } from './orphans.ts';
import type { World } from './world.ts';

async function seeEnd(world: World, wish: Wish, giveUp: AbortSignal, notes: Notes) {
  const job = await seeThrough(world, wish, giveUp);
  notes.note(`ended ${wish.jobId} ${job?.status} ${job?.error?.code ?? ''} after ${job?.attempts} attempts`);
  return job;
}

/** Holds one job against X's books; resolves to how it ended. */
export async function judgeWish(
  world: World,
  wish: Wish,
  giveUp: AbortSignal,
  notes: Notes,
): Promise<string> {
  const job = await seeEnd(world, wish, giveUp, notes);
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

/** What Redis has forgotten may be gone; but nothing is posted twice, and what is still there ends. */
export async function judgeAfterRewind(
  world: World,
  wish: Wish,
  giveUp: AbortSignal,
  notes: Notes,
): Promise<string> {
  const job = await seeEnd(world, wish, giveUp, notes);
  const words = world.simulator.state.tweets.all.flatMap(({ text }) => text.split(/\s/));
  const broken = wish.marks
    .filter((mark) => words.filter((word) => word === mark).length > 1)
    .map((mark) => `${wish.jobId}: ${mark} is posted twice`);
  if (job && job.next_check_seconds !== null) broken.push(`${wish.jobId}: not ended`);
  if (broken.length > 0) notes.broken.push(...broken, ...(await explainJob(world, wish)));
  return [job?.status ?? 'forgotten', job?.error?.code].filter(Boolean).join(' ');
}

/** What must hold of everything together, once all jobs have ended. */
export async function judgeWorld(
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
    ...world.badEnds,
    ...orphans.map(({ pid }) => `process ${pid} outlives the one that started it`),
    ...bugs,
  );
}
