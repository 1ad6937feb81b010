import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import type { VerdictKind } from './protocol.ts';
import type { Fields } from './record.ts';

/** Times of a world are epoch ms around this fixed now: as time passes, what was written grows older. */
export const now = 1_800_000_000_000;
/** One step of time: longer than the send deadline, half of the wait before absent. */
export const tickMs = 30_000;

/** What a worker run is about to do. `job` is the record as it read it. */
export type Step =
  | { readonly kind: 'idle' }
  /** `issued`: the script may have run, but its reply was lost; `late`: since longer than the send deadline. */
  | { readonly kind: 'begin'; readonly job: Fields; readonly issued: boolean; readonly late: boolean }
  /** The intent is written; `late`: more than the send deadline ago by the worker's own clock. */
  | { readonly kind: 'intended'; readonly job: Fields; readonly late: boolean }
  | { readonly kind: 'awaiting'; readonly job: Fields; readonly attempt: number }
  /** The read is answered without the post, or refused. */
  | { readonly kind: 'looked'; readonly job: Fields; readonly beganAt: number; readonly refused: boolean }
  | { readonly kind: 'move'; readonly name: MoveName; readonly facts: MoveFacts };

/** A request to create the post, as X sees it. */
export interface Request {
  readonly attempt: number;
  readonly at: 'on_its_way' | 'created_unseen' | 'created' | 'not_created';
  /** Ticks since it was sent, while X may still act on it or hide it. */
  readonly age: number;
  /** X's answer, until the worker has it. */
  readonly answer: VerdictKind | null;
}

/** Everything that decides what can happen next. */
export interface World {
  readonly record: Fields;
  readonly workers: readonly [Step, Step];
  /** Those that may still matter: what X did not create and nobody waits for is forgotten. */
  readonly requests: readonly Request[];
  /** Attempts begun so far. */
  readonly begun: number;
  /** How often Redis may still go back in time. */
  readonly rewinds: number;
  /** The record as the disk has it, where Redis acknowledges before it writes. */
  readonly onDisk: Fields | null;
}

export const postsOf = ({ requests }: World): number =>
  requests.filter(({ at }) => at === 'created' || at === 'created_unseen').length;

/** The world after `ticks` of time: nothing changes but that everything is longer ago. */
export function age(world: World, ticks: number): World {
  const shift = <T extends Step>(step: T): T => ({
    ...step,
    ...('job' in step ? { job: olderRecord(step.job, ticks) } : {}),
    ...('beganAt' in step ? { beganAt: older(step.beganAt, ticks) } : {}),
    ...(step.kind === 'intended' || (step.kind === 'begin' && step.issued) ? { late: true } : {}),
  });
  const [first, second] = world.workers;
  return {
    ...world,
    record: olderRecord(world.record, ticks),
    workers: [shift(first), shift(second)],
    requests: world.requests.map((request) =>
      isSettled(request) ? request : { ...request, age: request.age + ticks },
    ),
    onDisk: world.onDisk && olderRecord(world.onDisk, ticks),
  };
}

export const isSettled = ({ at }: Request): boolean => at === 'created' || at === 'not_created';

/** Older than this is all the same: longer than every wait of the protocol. */
export const longAgo = now - 36 * tickMs;

const older = (time: number, ticks: number): number => Math.max(longAgo, time - ticks * tickMs);

function olderRecord(record: Fields, ticks: number): Fields {
  const aged: Record<string, string> = { ...record };
  if (aged.intent_at) aged.intent_at = String(older(Number(aged.intent_at), ticks));
  // The send deadline is shorter than a tick.
  delete aged.deadline_at;
  if (aged.observation) {
    const names = ['firstAbsentAt', 'lastAbsentAt', 'refusedSince', 'refusedAt'] as const;
    const seen: Record<(typeof names)[number], number | null> = JSON.parse(aged.observation);
    const shift = (at: number | null) => (at === null ? null : older(at, ticks));
    const shifted = Object.fromEntries(names.map((name) => [name, shift(seen[name])]));
    aged.observation = JSON.stringify({ ...seen, ...shifted });
  }
  return aged;
}

/**
 * What of a record decides anything in the model, by its state: worlds that differ in nothing else are one. How often
 * a run was started or X failed decides nothing here.
 */
const always = ['id', 'state', 'owner', 'cursor', 'tweets', 'reconcile'];
const keptIn: Readonly<Record<string, readonly string[]>> = {
  ready: [...always, 'open_attempts'],
  sending: [...always, 'open_attempts', 'attempt_id', 'intent_at', 'deadline_at', 'created_without_id'],
  confirming: [...always, 'open_attempts', 'attempt_id', 'intent_at', 'observation', 'created_without_id'],
  unconfirmed: always,
  published: ['id', 'state', 'cursor', 'tweets'],
  failed: ['id', 'state', 'cursor', 'tweets'],
  canceled: ['id', 'state', 'cursor', 'tweets'],
};

export function reduce(record: Fields, keepLastMove: boolean): Fields {
  const fields = keptIn[record.state ?? ''] ?? always;
  const reduced: Record<string, string> = {};
  for (const field of keepLastMove ? [...fields, 'last_move'] : fields) {
    const value = record[field];
    if (value !== undefined) reduced[field] = value;
  }
  return reduced;
}
