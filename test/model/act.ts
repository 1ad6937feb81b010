import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import type { Protocol } from './protocol.ts';
import { evaluateMove, type Fields } from './record.ts';
import { now, reduce, type Step, type World } from './world.ts';

/** Something that can happen, and the world after it. */
export interface Next {
  readonly label: string;
  readonly world: World;
}

export const idle: Step = { kind: 'idle' };
export const isClosed = (record: Fields) => ['published', 'failed', 'canceled'].includes(record.state ?? '');

const withStep = ({ workers: [first, second] }: World, worker: number, step: Step): readonly [Step, Step] =>
  worker === 0 ? [step, second] : [first, step];

/** The world with this worker at another step. */
export function put(world: World, worker: number, step: Step, record: Fields = world.record): World {
  return { ...world, record, workers: withStep(world, worker, step) };
}

/** The world after a move of the record; none when a guard refuses it. */
export function tryMove(
  world: World,
  who: string,
  name: MoveName,
  facts: MoveFacts,
  protocol: Protocol,
): Next[] {
  const result = evaluateMove(protocol.table, world.record, name, facts, { now });
  if (!result.done) return [];
  const onDisk = world.onDisk && world.record;
  return [{ label: `${who}: ${name}`, world: { ...world, record: tidy(result.record, protocol), onDisk } }];
}

const tidy = (record: Fields, { lostReplies }: Protocol): Fields => reduce(record, lostReplies);

/** Nobody waits for the answer to this request any more. */
export function dropAnswer(world: World, attempt: number): World {
  const requests = world.requests
    .map((request) => (request.attempt === attempt ? { ...request, answer: null } : request))
    .filter((request) => request.attempt !== attempt || request.at !== 'not_created');
  return { ...world, requests };
}
