import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import {
  noObservation,
  planAbsent,
  planConfirm,
  withAbsentRead,
  withRefusedRead,
} from '#libs/publish/confirm-plan.ts';
import { planIntent, planLookFirst } from '#libs/publish/intent.ts';
import { planCreated } from '#libs/publish/outcome-plan.ts';
import { dropAnswer, idle, isClosed, type Next, put, tryMove } from './act.ts';
import { order, type Protocol, planAnswer, toJob, type VerdictKind } from './protocol.ts';
import type { Fields } from './record.ts';
import { now, type Request, type Step, type World } from './world.ts';

const pick = (record: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(names.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]])));

/** What one worker can do next: a run of production, cut wherever another process may come between. */
export function workerSteps(world: World, worker: number, protocol: Protocol): Next[] {
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
      const fail = move('fail', { owner, patch: { error: { code: 'reconnect_needed', detail: '' } } });
      if (job.reconcile) {
        const { name, facts } = planLookFirst(toJob(job), { owner, attemptId: 'look' });
        return [move(name, facts)];
      }
      if (world.begun >= protocol.attempts) return [fail];
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
