import { toFields } from '#libs/jobs/job-record.ts';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { Guard, Move, MoveName } from '#libs/jobs/moves.ts';

/** A record as Redis keeps it: the hash of a job. */
export type Fields = Readonly<Record<string, string>>;

export type MoveTable = Readonly<Record<MoveName, Move>>;

/** What a move reads besides the record. */
export interface Surroundings {
  /** Epoch ms. */
  readonly now: number;
  /** States of the earlier posts of the account that wait for their turn or have had it. */
  readonly earlier?: readonly string[];
  /** The job that has claimed the post in question, if any. */
  readonly claimedBy?: string | null;
}

export type Evaluation =
  | { readonly done: true; readonly record: Fields }
  | { readonly done: false; readonly reason: string };

/** The move script in TypeScript: the same verdict and the same fields (`test/model/record.test.ts` holds it to that). */
export function evaluateMove(
  table: MoveTable,
  record: Fields,
  name: MoveName,
  facts: MoveFacts,
  surroundings: Surroundings,
): Evaluation {
  const { from, to, guards } = table[name];
  const { now, claimedBy = null } = surroundings;
  if (record.state === undefined) return { done: false, reason: 'gone' };
  if (facts.moveId !== undefined && record.last_move === facts.moveId) return { done: true, record };
  if (!from.some((state) => state === record.state)) return { done: false, reason: 'state' };
  const broken = order.find((guard) => guards.includes(guard) && fails(guard, record, facts, surroundings));
  if (broken) return { done: false, reason: broken === 'due' && !isAhead(record, now) ? 'expired' : broken };
  if (facts.tweet?.id && facts.tweet.claim === 'if_free' && claimedBy !== null && claimedBy !== record.id)
    return { done: false, reason: 'claimed' };
  return { done: true, record: write(record, to === 'same' ? record.state : to, facts, now) };
}

/** The order in which the script looks at the guards: the first that fails is the reason. */
const order = [
  'owner',
  'attempt',
  'cursor',
  'due',
  'deadline',
  'unposted',
  'media',
  'trusted',
  'turn',
] as const;

function fails(guard: Guard, record: Fields, facts: MoveFacts, { now, earlier = [] }: Surroundings): boolean {
  switch (guard) {
    case 'owner':
      return record[facts.item === undefined ? 'owner' : `item:${facts.item}:owner`] !== facts.owner;
    case 'attempt':
      return record.attempt_id !== facts.attemptId;
    case 'cursor':
      return Number(record.cursor ?? 0) !== facts.cursor;
    case 'due':
      return isAhead(record, now) || (Boolean(record.expires_at) && !after(record.expires_at, now));
    case 'deadline':
      return after(record.deadline_at, now);
    case 'unposted':
      return Boolean(record.tweets);
    case 'media':
      return record.state === 'accepted' && Number(record.media ?? 0) > 0;
    case 'trusted':
      return record.reconcile !== undefined && !after(record.publish_at, now);
    case 'turn':
      return earlier.some((state) => ['ready', 'sending', 'accepted'].includes(state));
  }
}

const after = (time: string | undefined, now: number): boolean => Boolean(time) && Number(time) > now;
const isAhead = (record: Fields, now: number): boolean =>
  after(record.not_before, now) || after(record.publish_at, now);

function write(record: Fields, to: string, facts: MoveFacts, now: number): Fields {
  const { set, del } = toFields(facts.patch ?? {});
  const written: Record<string, string> = {
    ...record,
    state: to,
    updated_at: String(now),
    last_move: facts.moveId ?? '',
  };
  if (facts.tweet)
    written.tweets = [record.tweets, `${facts.tweet.id ?? ''}@${now}`].filter(Boolean).join(',');
  for (const [field, value] of Object.entries(set)) {
    const offset = /^@now([+-]?\d*)$/.exec(value)?.[1];
    written[field] = offset === undefined ? value : String(now + Number(offset));
  }
  if (['published', 'failed', 'canceled', 'unconfirmed'].includes(to) && to !== record.state)
    written.ended_at = String(now);
  for (const field of del) delete written[field];
  if (facts.bumpFence) written.fence = String(Number(record.fence ?? 0) + 1);
  return written;
}
