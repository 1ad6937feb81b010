import { unknownOutcome } from '#libs/publish/confirm.ts';
import { dropAnswer, idle, isClosed, type Next, put, tryMove } from './act.ts';
import type { Protocol } from './protocol.ts';
import type { Fields } from './record.ts';
import { workerSteps } from './worker.ts';
import { age, isSettled, now, type Request, type Step, tickMs, type World } from './world.ts';

/** Everything that can happen next. */
export function nextWorlds(world: World, protocol: Protocol): Next[] {
  return [
    ...[0, 1].flatMap((worker) => workerSteps(world, worker, protocol)),
    ...xSteps(world, protocol),
    ...timeSteps(world),
    ...faults(world, protocol),
    ...tryMove(world, 'the sweeper', 'deadlinePassed', unknownOutcome(), protocol),
  ].map(({ label, world: after }) => ({ label, world: forgetDoomed(after, protocol) }));
}

/** A worker whose every next write is sure to be refused might as well be idle. */
function forgetDoomed(world: World, { table, intentFirst, rewindsToRuns }: Protocol): World {
  const { record } = world;
  const doom = (step: Step, worker: number): Step => {
    // Where Redis may still go back to then, it may have the job once more.
    const owns = record.owner === `worker ${worker}` || (rewindsToRuns && world.rewinds > 0);
    if (step.kind === 'begin' && intentFirst)
      return (owns && record.state === 'ready') || record.last_move === step.job.attempt_id ? step : idle;
    if (step.kind === 'looked') return owns ? step : idle;
    if (step.kind !== 'move') return step;
    const { guards, from } = table[step.name];
    const lost =
      (guards.includes('owner') && !owns) ||
      (guards.includes('attempt') && step.facts.attemptId !== record.attempt_id) ||
      (isClosed(record) && !from.some((state) => state === record.state));
    const itsOwn = step.facts.moveId !== undefined && step.facts.moveId === record.last_move;
    return lost && !itsOwn ? idle : step;
  };
  const [first, second] = world.workers;
  return { ...world, workers: [doom(first, 0), doom(second, 1)] };
}

/** X acts on requests that are on their way, and shows what it has created a while later. */
function xSteps(world: World, { xFiltersDuplicates }: Protocol): Next[] {
  const known = world.requests.some(({ at }) => at === 'created' || at === 'created_unseen');
  return world.requests.flatMap((request) => {
    const { attempt } = request;
    const become = (label: string, at: Request['at'], answer: Request['answer']): Next => {
      const awaited = world.workers.some((step) => step.kind === 'awaiting' && step.attempt === attempt);
      const age = at === 'created_unseen' ? request.age : 0;
      const changed = { attempt, at, age, answer: awaited ? answer : null };
      const requests = world.requests.map((one) => (one === request ? changed : one));
      const after = { ...world, requests };
      return { label, world: awaited ? after : dropAnswer(after, attempt) };
    };
    if (request.at === 'created_unseen') return [become('X shows the post', 'created', request.answer)];
    if (request.at !== 'on_its_way') return [];
    const refusals = (['refused', 'limited', 'server_error'] as const).map((kind) =>
      become(`X creates nothing and answers: ${kind}`, 'not_created', kind),
    );
    if (known && xFiltersDuplicates)
      return [...refusals, become('X calls it a duplicate', 'not_created', 'duplicate')];
    const creations = (['created', 'created_no_id', 'server_error'] as const).map((kind) =>
      become(`X creates the post and answers: ${kind}`, 'created_unseen', kind),
    );
    return [...refusals, ...creations];
  });
}

/** Before the wait for "absent" is over, X has acted on a request and shows what it made: what that wait is made of. */
function timeSteps(world: World): Next[] {
  const open = world.requests.filter((request) => !isSettled(request));
  const mayPass = open.every((request) => request.age < 1);
  if (!mayPass) return [];
  const intentAt = Number(world.record.intent_at ?? now);
  const recent = intentAt >= now - 2 * tickMs || open.length > 0;
  if (recent) return [{ label: 'half a minute passes', world: age(world, 1) }];
  return [{ label: 'a quarter of an hour passes', world: age(world, 31) }];
}

function faults(world: World, protocol: Protocol): Next[] {
  const next: Next[] = [];
  for (const [worker, step] of world.workers.entries()) {
    if (!protocol.crashes || step.kind === 'idle') continue;
    const forgotten = step.kind === 'awaiting' ? dropAnswer(world, step.attempt) : world;
    next.push({ label: `worker ${worker} is killed`, world: put(forgotten, worker, idle) });
  }
  if (protocol.cancels) next.push(...tryMove(world, 'the user', 'cancel', {}, protocol));
  if (world.rewinds > 0) {
    const forgot = { ...beginning, ...(protocol.rewindIsNoticed ? { reconcile: '1' } : {}) };
    const rewinds = world.rewinds - 1;
    next.push({ label: 'Redis goes back in time', world: { ...world, record: forgot, rewinds } });
    for (const worker of protocol.rewindsToRuns ? world.workers.keys() : [])
      next.push({
        label: `Redis goes back to when worker ${worker} had the job`,
        world: { ...world, record: { ...forgot, owner: `worker ${worker}` }, rewinds },
      });
  }
  if (world.onDisk && world.onDisk !== world.record)
    next.push({
      label: 'Redis crashes and forgets its last write',
      world: { ...world, record: world.onDisk },
    });
  return next;
}

/** A record whose media is ready, before its first attempt. */
export const beginning: Fields = { id: 'job', state: 'ready', open_attempts: '0' };
