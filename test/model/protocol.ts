import type { Job } from '#libs/jobs/job.ts';
import { parseJob } from '#libs/jobs/job-record.ts';
import { type Guard, type MoveName, moves } from '#libs/jobs/moves.ts';
import { orderOf } from '#libs/jobs/test-order.ts';
import { type PlannedMove, planOutcome } from '#libs/publish/outcome-plan.ts';
import { judgeCreate, type Verdict } from '#libs/publish/verdict.ts';
import { type XAnswer, XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import type { Fields, MoveTable } from './record.ts';

/** How the send protocol is explored: as it is in production, or with one of its guards switched off. */
export interface Protocol {
  readonly table: MoveTable;
  readonly resendPolicy: 'once' | 'never';
  readonly confirmAfterMs: number;
  /** The intent is written before the request. */
  readonly intentFirst: boolean;
  /** An unknown outcome is looked into before anything is sent again. */
  readonly lookBeforeResend: boolean;
  /** A request that could not begin within the send deadline is not made. */
  readonly sendDeadline: boolean;
  /** A write that Redis acknowledged survives its crash. */
  readonly durable: boolean;
  /** A read counts from when it began, not from when its answer was looked at. */
  readonly readCountsFromItsBeginning: boolean;
  /** A loss of Redis' memory is noticed before anything is sent. */
  readonly rewindIsNoticed: boolean;
  /** Redis may also go back to when one of the runs had the job, and not only to before all of them. */
  readonly rewindsToRuns: boolean;
  /** Faults that may happen at any moment and any number of times. */
  readonly crashes: boolean;
  readonly lostReplies: boolean;
  /** The user may cancel. */
  readonly cancels: boolean;
  /** Attempts in all: production has no such limit, it counts those that may have created the post. */
  readonly attempts: number;
  /** X refuses a text that it has already. */
  readonly xFiltersDuplicates: boolean;
}

export const production: Protocol = {
  table: moves,
  resendPolicy: 'once',
  confirmAfterMs: 60_000,
  intentFirst: true,
  lookBeforeResend: true,
  sendDeadline: true,
  durable: true,
  readCountsFromItsBeginning: true,
  rewindIsNoticed: true,
  rewindsToRuns: false,
  crashes: true,
  lostReplies: false,
  cancels: true,
  attempts: 3,
  xFiltersDuplicates: false,
};

/** The table of moves with one guard taken out of some of them. */
export function without(guard: Guard, ...names: readonly MoveName[]): MoveTable {
  const table: Record<string, MoveTable[MoveName]> = { ...moves };
  for (const name of names) {
    const move = moves[name];
    table[name] = { ...move, guards: move.guards.filter((one) => one !== guard) };
  }
  return { ...moves, ...table };
}

/** What X may answer, or not. */
export const evidence = {
  created: { id: '1' },
  created_no_id: { id: null },
  server_error: { error: answer({ status: 503 }) },
  cut: { error: new XUnreachableError('the connection was cut', { sent: true }) },
  not_sent: { error: new XUnreachableError('connection refused', { sent: false }) },
  refused: { error: answer({ status: 400, detail: 'Bad request' }) },
  limited: { error: answer({ status: 429 }) },
  duplicate: {
    error: answer({ status: 403, detail: 'You are not allowed to create a Tweet with duplicate content.' }),
  },
} as const;
export type VerdictKind = keyof typeof evidence;

function answer(given: Partial<XAnswer>): XAnswerError {
  const none = {
    title: '',
    detail: '',
    type: '',
    code: null,
    oauthError: null,
    messages: [],
    rateLimits: [],
  };
  return new XAnswerError({
    status: 500,
    ...none,
    retryAfterMs: null,
    date: null,
    transactionId: null,
    ...given,
  });
}

/** One plain post of text. */
export const order = orderOf();

const unchanging = { account: '7', username: 'ada', client: 'c', accepted_at: '1', sequence: '1' };
const rest = { id: 'job', state: 'ready', updated_at: '1', order: '', fingerprint: 'f', media: '0' };

/** A record of the model as production's code takes it. */
export function toJob(record: Fields): Job {
  const key = JSON.stringify(record);
  const known = parsed.get(key);
  if (known) return known;
  const job = parseJob({ ...unchanging, ...rest, ...record });
  parsed.set(key, job);
  return job;
}

const parsed = new Map<string, Job>();

/** The move that production makes of an answer; `job` is the record from before the attempt. */
export function planAnswer(
  job: Fields,
  attemptId: string,
  kind: VerdictKind,
  protocol: Protocol,
): PlannedMove {
  const seen = judgeCreate(evidence[kind]);
  const verdict: Verdict =
    seen.kind === 'unknown' && !protocol.lookBeforeResend ? { kind: 'not_sent' } : seen;
  return planOutcome({ ...toJob(job), attemptId }, order, verdict, { now: 0, opensAt: null, random: 0 });
}
