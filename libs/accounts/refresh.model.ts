import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import { connect, type Fields, kill, mark, rotate, unmark } from './record-rules.ts';
import { judgeFailure, nextStep, type TokenRecord } from './refresh.ts';

import type { Place, Process, Protocol, World } from './refresh.world.ts';

export interface Step {
  readonly name: string;
  readonly world: World;
}

const minute = 60_000;
const answerOf = (status: number, oauthError: string | null) =>
  new XAnswerError({
    status,
    oauthError,
    title: '',
    detail: '',
    type: '',
    code: null,
    messages: [],
    rateLimits: [],
    retryAfterMs: null,
    date: null,
    transactionId: null,
  });
const errors = {
  spent: answerOf(400, 'invalid_request'),
  unavailable: answerOf(503, null),
  lost: new XUnreachableError('cut', { sent: true }),
  notSent: new XUnreachableError('refused', { sent: false }),
};

/** Everything that can happen next. */
export function nextSteps(world: World, protocol: Protocol): Step[] {
  const steps: Step[] = world.processes.flatMap((process, who) => [
    ...processSteps(world, protocol, process, who),
    ...crashSteps(world, process, who),
  ]);
  if (world.oldAlive)
    steps.push({ name: 'the old access token runs out', world: { ...world, oldAlive: false } });
  return [...steps, ...lockSteps(world), ...signInSteps(world)];
}

/** The user connects the account again: what a refresh of before still brings must not count any more. */
function signInSteps(world: World): Step[] {
  if (world.signIns === 0) return [];
  const pair = world.x.pair + 10;
  const [record] = connect(world.record, { v: world.record.v, attempt: `sign-in ${pair}`, pair });
  const x = { pair, first: pair, dead: false };
  const after = { ...withRecord(world, record), x, signIns: world.signIns - 1, pairLost: false };
  return [{ name: 'the user signs in', world: after }];
}

/** The lock starts anew with the marker and outlasts what follows; before the marker its holder may stand still. */
function lockSteps(world: World): Step[] {
  const holder = world.processes.find((process, who) => world.lock === nameOf(who, process));
  const after = { ...world, lock: null };
  if (world.lock === null) return [];
  if (!holder) return [{ name: 'the lock of a dead process runs out', world: after }];
  if (world.stalls === 0 || !['reading', 'marking'].includes(holder.at)) return [];
  return [{ name: 'the lock of a slow process runs out', world: { ...after, stalls: world.stalls - 1 } }];
}

function nameOf(who: number, { life }: Process): string {
  return `${who}.${life}`;
}

function put(world: World, who: number, change: Partial<Process>): World {
  const processes = world.processes.map((process, i) => (i === who ? { ...process, ...change } : process));
  return { ...world, processes };
}

function crashSteps(world: World, process: Process, who: number): Step[] {
  if (world.crashes === 0 || process.at === 'idle' || process.at === 'starting') return [];
  const hadPair =
    typeof process.answer === 'number' && (process.at === 'waiting' || process.at === 'spooling');
  const reborn = { at: 'starting', life: process.life + 1, attempts: 0, seen: null, answer: null } as const;
  const after = { ...world, crashes: world.crashes - 1, pairLost: world.pairLost || hadPair };
  return [{ name: `${who} dies while ${process.at}`, world: put(after, who, reborn) }];
}

function isOfThisFamily({ x }: World, answer: Process['answer']): boolean {
  return typeof answer === 'number' && answer >= x.first;
}

function processSteps(world: World, protocol: Protocol, process: Process, who: number): Step[] {
  const step = (name: string, after: World): Step => ({ name: `${who} ${name}`, world: after });
  const go = (at: Place, after: World = world, change: Partial<Process> = {}) =>
    step(`${process.at} -> ${at}`, put(after, who, { ...change, at }));
  const me = nameOf(who, process);
  // Counted up when it is over, so that a marker that was not written leaves no trace.
  const attempt = `${me}.${process.attempts}`;
  switch (process.at) {
    case 'starting':
      return [go('idle', replay(world, protocol, who).world)];
    case 'idle':
      return decide(world) === 'ask' ? [go('locking')] : [];
    case 'locking': {
      if (decide(world) !== 'ask') return [go('idle')];
      return world.lock === null || !protocol.lock ? [go('reading', { ...world, lock: me })] : [];
    }
    case 'reading': {
      if (decide(world) !== 'ask') return [go('unlocking')];
      const replayed =
        world.record.attempt !== null && protocol.replayFirst ? replay(world, protocol, who) : null;
      if (replayed && replayed.stored > 0) return [go('unlocking', replayed.world)];
      const { v, attempt: found, sealed } = world.record;
      const seen = { v, found: found ?? '', pair: sealed ?? 0 };
      return [go('marking', replayed?.world ?? world, { seen })];
    }
    case 'marking': {
      if (!protocol.marker) return [go('sending')];
      const lockIsOurs = world.lock === me || !protocol.lock;
      const call = { v: 0, found: '', pair: 0, ...process.seen, attempt, lockIsOurs };
      const [record, done] = mark(world.record, call);
      return scripted(
        world,
        process,
        who,
        record,
        go(done ? 'sending' : 'unlocking', withRecord(world, record)),
      );
    }
    case 'sending':
      return sendSteps(world, process, go);
    case 'waiting':
      return answerSteps(world, process, go);
    case 'spooling': {
      const entry = { v: 0, of: 0, pair: Number(process.answer), attempt, ...mapSeen(process) };
      const disks = world.disks.map((disk, i) => (i === who && protocol.spool ? [...disk, entry] : disk));
      return [go('storing', { ...world, disks })];
    }
    case 'storing': {
      const call = { v: 0, of: 0, ...mapSeen(process), attempt, pair: Number(process.answer) };
      const { record } = withRecord(world, rotate(world.record, call)[0]);
      const dropped = dropEntry(withRecord(world, record), attempt);
      const failed = {
        ...world,
        storeFailures: world.storeFailures - 1,
        pairLost: world.pairLost || !protocol.spool,
      };
      return [
        ...scripted(world, process, who, record, go('unlocking', dropped)),
        // Stored, and dead before the entry is dropped.
        ...(world.crashes > 0 ? crashSteps(withRecord(world, record), process, who) : []),
        ...(world.storeFailures > 0 ? [go('unlocking', failed)] : []),
      ];
    }
    case 'killing': {
      const seen = process.seen ?? { v: 0, found: '', pair: 0 };
      const call = protocol.compareOnKill
        ? { v: seen.v, attempt }
        : { v: world.record.v, attempt: world.record.attempt ?? '' };
      const [record] = kill(world.record, call);
      return scripted(world, process, who, record, go('unlocking', withRecord(world, record)));
    }
    case 'unmarking': {
      const [record] = unmark(world.record, { attempt });
      return scripted(world, process, who, record, go('unlocking', withRecord(world, record)));
    }
    case 'unlocking':
      return [go('idle', world.lock === me ? { ...world, lock: null } : world, ended(process, world))];
  }
}

function ended(process: Process, { record, disks }: World): Partial<Process> {
  const isUsed = process.answer !== null || record.attempt !== null || disks.flat().length > 0;
  return { seen: null, answer: null, attempts: process.attempts + (isUsed ? 1 : 0) };
}

function mapSeen({ seen }: Process) {
  return seen ? { v: seen.v, of: seen.pair } : {};
}

/** A script runs; or its reply is lost, and it will run again. */
function scripted(world: World, process: Process, who: number, record: Fields | null, after: Step): Step[] {
  if (world.resends === 0) return [after];
  const again = { ...withRecord(world, record), resends: world.resends - 1 };
  return [after, { name: `${who} ${process.at}, reply lost`, world: put(again, who, {}) }];
}

type Go = (at: Place, after?: World, change?: Partial<Process>) => Step;

function sendSteps(world: World, process: Process, go: Go): Step[] {
  const { x, refusals } = world;
  const presented = process.seen?.pair ?? 0;
  const isCurrent = !x.dead && presented === x.pair;
  // A used token kills its own family, not the one of a later sign-in.
  const dead = x.dead || (presented < x.pair && presented >= x.first);
  const acted: World = { ...world, x: isCurrent ? { ...x, pair: x.pair + 1 } : { ...x, dead } };
  const steps = [go('waiting', acted, { answer: isCurrent ? x.pair + 1 : 'spent' })];
  if (refusals > 0) {
    const after = { ...world, refusals: refusals - 1 };
    steps.push(go('waiting', after, { answer: 'unavailable' }));
    steps.push(go(judgeFailure(errors.notSent) === 'untouched' ? 'unmarking' : 'unlocking', after));
  }
  return steps;
}

function answerSteps(world: World, process: Process, go: Go): Step[] {
  const onFailure = (error: Error): Place => {
    const verdict = judgeFailure(error);
    if (verdict === 'unknown') return 'unlocking';
    return verdict === 'spent' ? 'killing' : 'unmarking';
  };
  const { answer } = process;
  const steps =
    typeof answer === 'number'
      ? [go('spooling')]
      : [go(onFailure(answer === 'spent' ? errors.spent : errors.unavailable))];
  if (world.losses > 0) {
    const pairLost = world.pairLost || isOfThisFamily(world, answer);
    steps.push(go(onFailure(errors.lost), { ...world, losses: world.losses - 1, pairLost }));
  }
  return steps;
}

/** Stores and drops what lies on the disks that a process can see. */
function replay(world: World, protocol: Protocol, who: number): { world: World; stored: number } {
  const visible = protocol.sharedDisk ? world.disks.flat() : (world.disks[who] ?? []);
  let after = world;
  let stored = 0;
  for (const entry of visible) {
    const [record, result] = rotate(after.record, entry);
    if (result === 'stored') stored++;
    after = dropEntry(withRecord(after, record), entry.attempt);
  }
  return { world: after, stored };
}

function dropEntry(world: World, attempt: string): World {
  return { ...world, disks: world.disks.map((disk) => disk.filter((entry) => entry.attempt !== attempt)) };
}

function withRecord(world: World, record: Fields | null): World {
  return record ? { ...world, record } : world;
}

/** What the vault decides for somebody who wants a token with ten minutes left. */
export function decide(world: World): ReturnType<typeof nextStep> {
  return nextStep(toTokenRecord(world), {}, 0);
}

function toTokenRecord({ record, oldAlive }: World): TokenRecord {
  const { v, st, sealed, attempt, presented } = record;
  const states = { OK: 'ok', REFRESHING: 'refreshing', DEAD: 'dead' } as const;
  const isOld = sealed === 0;
  return {
    version: v,
    state: states[st],
    accessToken: `a${sealed}`,
    refreshToken: `r${sealed}`,
    expiresAt: !isOld ? 120 * minute : oldAlive ? 5 * minute : 0,
    attempt: attempt === null ? null : { id: attempt, ageMs: 60 * minute, presented },
  };
}
