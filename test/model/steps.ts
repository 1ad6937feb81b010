import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import { unknownOutcome } from '#libs/publish/confirm.ts';
import {
  noObservation,
  planAbsent,
  planConfirm,
  withAbsentRead,
  withRefusedRead,
} from '#libs/publish/confirm-plan.ts';
import { planIntent, planLookFirst } from '#libs/publish/intent.ts';
import { planCreated } from '#libs/publish/outcome-plan.ts';
import { order, type Protocol, planAnswer, toJob, type VerdictKind } from './protocol.ts';
import { evaluateMove, type Fields } from './record.ts';
import { age, isSettled, now, type Request, reduce, type Step, tickMs, type World } from './world.ts';

export interface Next {
  readonly label: string;
  readonly world: World;
}

/** Attempts in the model: production knows no such limit, it counts those that may have created the post. */
const mostAttempts = 3;
const pick = (record: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(names.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]])));

const idle: Step = { kind: 'idle' };
const isClosed = (record: Fields) => ['published', 'failed', 'canceled'].includes(record.state ?? '');

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

const withStep = ({ workers: [first, second] }: World, worker: number, step: Step): readonly [Step, Step] =>
  worker === 0 ? [step, second] : [first, step];

function put(world: World, worker: number, step: Step, record: Fields = world.record): World {
  return { ...world, record, workers: withStep(world, worker, step) };
}

function tryMove(world: World, who: string, name: MoveName, facts: MoveFacts, protocol: Protocol): Next[] {
  const result = evaluateMove(protocol.table, world.record, name, facts, { now });
  if (!result.done) return [];
  const onDisk = world.onDisk && world.record;
  return [{ label: `${who}: ${name}`, world: { ...world, record: tidy(result.record, protocol), onDisk } }];
}

const tidy = (record: Fields, { lostReplies }: Protocol): Fields => reduce(record, lostReplies);

function workerSteps(world: World, worker: number, protocol: Protocol): Next[] {
  const step = world.workers[worker] ?? idle;
  const name = `worker ${worker}`;
  const to = (label: string, next: Step, record?: Fields): Next => ({
    label: `${name} ${label}`,
    world: put(world, worker, next, record),
  });
  switch (step.kind) {
    case 'idle': {
      if (isClosed(world.record)) return [];
      const job = { ...world.record, owner: name };
      return decide(world, job, protocol).map(({ label, step: next }) => {
        const begun = next.kind === 'begin' ? world.begun + 1 : world.begun;
        return { label: `${name} ${label}`, world: { ...put(world, worker, next, job), begun } };
      });
    }
    case 'begin':
      return begin(world, worker, step, protocol);
    case 'intended': {
      if (step.late && protocol.sendDeadline)
        return [to('is too late to send', answered(step.job, 'not_sent', protocol))];
      const attempt = Number(step.job.attempt_id);
      const request: Request = { attempt, at: 'on_its_way', age: 0, answer: null };
      const sent = put(world, worker, { kind: 'awaiting', job: step.job, attempt });
      return [{ label: `${name} sends`, world: { ...sent, requests: [...world.requests, request] } }];
    }
    case 'awaiting':
      return await_(world, worker, step, protocol);
    case 'looked': {
      const seen = toJob(step.job).observation ?? noObservation;
      const at = protocol.readCountsFromItsBeginning ? step.beganAt : now;
      const observation = step.refused
        ? { ...withRefusedRead(seen, step.beganAt), refusedReads: 1 }
        : withAbsentRead(seen, at);
      // The plan does not tell more reads from two.
      const counted = { ...observation, absentReads: Math.min(2, observation.absentReads) };
      const facts = { owner: name, patch: { observation: counted } };
      return carryOut(world, worker, 'note', facts, protocol);
    }
    case 'move':
      return carryOut(world, worker, step.name, step.facts, protocol);
  }
}

/** What a run does with the record that it has just claimed. */
function decide(world: World, job: Fields, protocol: Protocol): { label: string; step: Step }[] {
  const owner = job.owner ?? '';
  const move = (name: MoveName, facts: MoveFacts, label: string = name) => ({
    label: `is about to: ${label}`,
    step: { kind: 'move', name, facts } as const,
  });
  switch (job.state) {
    case 'ready': {
      const fail = move('fail', { patch: { error: { code: 'reconnect_needed', detail: '' } } });
      if (job.reconcile) {
        const { name, facts } = planLookFirst(toJob(job), { owner, attemptId: 'look' });
        return [move(name, facts)];
      }
      if (world.begun >= mostAttempts) return [fail];
      const attempt = { ...pick(job, ['open_attempts', 'cursor']), attempt_id: String(world.begun + 1) };
      return [
        fail,
        { label: 'is about to send', step: { kind: 'begin', job: attempt, issued: false, late: false } },
      ];
    }
    case 'sending':
      return [];
    case 'unconfirmed':
      return look(world, job, now);
    default:
      return confirming(world, job, protocol, move);
  }
}

function confirming(
  world: World,
  fields: Fields,
  { confirmAfterMs, resendPolicy }: Protocol,
  move: (name: MoveName, facts: MoveFacts, label?: string) => { label: string; step: Step },
): { label: string; step: Step }[] {
  const job = toJob(fields);
  // The first reads come seconds after the intent, before the first half minute has passed.
  const time = job.intentAt === now ? now + 5000 : now;
  const seen = job.observation ?? noObservation;
  const step = planConfirm({ intentAt: job.intentAt ?? time, confirmAfterMs, now: time }, seen);
  if (step.kind === 'read_at') return step.at > time ? [] : look(world, fields, time);
  const about = { owner: fields.owner ?? '', attemptId: fields.attempt_id ?? '', cursor: job.cursor };
  const createdSomehow = planCreated(job, order, { id: null, claim: 'take' });
  const giveUp = move('giveUpConfirming', about);
  if (step.kind === 'give_up')
    return [job.createdWithoutId ? move(createdSomehow.name, createdSomehow.facts) : giveUp];
  switch (planAbsent(job, { resendPolicy, now })) {
    case 'created':
      return [move(createdSomehow.name, createdSomehow.facts)];
    case 'give_up':
      return [giveUp];
    case 'resend':
      return [move('absent', { ...about, patch: { observation: null } })];
    default:
      return [move('rejected', about, 'call it a duplicate of a strange post')];
  }
}

/** Makes the move of this step; once in a while the worker does not hear of it and sends the same script again. */
function carryOut(
  world: World,
  worker: number,
  name: MoveName,
  facts: MoveFacts,
  protocol: Protocol,
): (Next & { made: 'heard' | 'unheard' | 'refused' })[] {
  const who = `worker ${worker}`;
  const done = put(world, worker, idle);
  const [next] = tryMove(done, who, name, facts, protocol);
  if (!next) return [{ label: `${who}: ${name} is refused`, world: done, made: 'refused' }];
  const heard = { ...next, made: 'heard' } as const;
  if (!protocol.lostReplies || facts.moveId === undefined) return [heard];
  const unheard = { ...next.world, workers: world.workers };
  return [heard, { label: `${next.label}, the reply is lost`, world: unheard, made: 'unheard' }];
}

function begin(world: World, worker: number, step: Step & { kind: 'begin' }, protocol: Protocol): Next[] {
  const { job, late } = step;
  const attempt = { owner: `worker ${worker}`, attemptId: job.attempt_id ?? '' };
  const { name, facts } = planIntent(toJob(job), attempt);
  const intended: Step = { kind: 'intended', job, late };
  if (!protocol.intentFirst)
    return [{ label: `worker ${worker} writes no intent`, world: put(world, worker, intended) }];
  return carryOut(world, worker, name, facts, protocol).map(({ label, world: after, made }) => {
    if (made === 'refused') return { label, world: after };
    return { label, world: put(after, worker, made === 'unheard' ? { ...step, issued: true } : intended) };
  });
}

function answered(job: Fields, kind: VerdictKind, protocol: Protocol): Step {
  const attemptId = job.attempt_id ?? '';
  const { name, facts } = planAnswer(job, attemptId, kind, protocol);
  return { kind: 'move', name, facts: { ...facts, moveId: `${name}:${attemptId}` } };
}

function await_(
  world: World,
  worker: number,
  { job, attempt }: Step & { kind: 'awaiting' },
  protocol: Protocol,
): Next[] {
  const request = world.requests.find((one) => one.attempt === attempt);
  const forgotten = dropAnswer(world, attempt);
  const give = (kind: VerdictKind): Next => ({
    label: `worker ${worker} gets: ${kind}`,
    world: put(forgotten, worker, answered(job, kind, protocol)),
  });
  return !request?.answer ? [give('cut')] : [give('cut'), give(request.answer)];
}

/** Nobody waits for the answer to this request any more. */
function dropAnswer(world: World, attempt: number): World {
  const requests = world.requests
    .map((request) => (request.attempt === attempt ? { ...request, answer: null } : request))
    .filter((request) => request.attempt !== attempt || request.at !== 'not_created');
  return { ...world, requests };
}

/** X answers a read: with what it shows, or not at all. The run has yet to write down what it saw. */
function look({ requests }: World, fields: Fields, beganAt: number): { label: string; step: Step }[] {
  const job = pick(fields, ['observation']);
  const seen = { kind: 'looked', job, beganAt } as const;
  if (requests.some(({ at }) => at === 'created')) {
    const { name, facts } = planCreated(toJob(fields), order, { id: '1', claim: 'if_free' });
    const moveId = `found:${fields.attempt_id ?? ''}`;
    return [
      { label: 'finds the post', step: { kind: 'move', name, facts: { ...facts, moveId } } },
      { label: 'is refused the read', step: { ...seen, refused: true } },
    ];
  }
  return [
    { label: 'sees no post', step: { ...seen, refused: false } },
    { label: 'is refused the read', step: { ...seen, refused: true } },
  ];
}

/** A worker whose every next write is sure to be refused might as well be idle. */
function forgetDoomed(world: World, { table, intentFirst }: Protocol): World {
  const { record } = world;
  const doom = (step: Step, worker: number): Step => {
    const owns = record.owner === `worker ${worker}`;
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
    const record = { ...beginning, ...(protocol.rewindIsNoticed ? { reconcile: '1' } : {}) };
    next.push({
      label: 'Redis goes back in time',
      world: { ...world, record, rewinds: world.rewinds - 1 },
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
