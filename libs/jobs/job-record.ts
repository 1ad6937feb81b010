import { type ProblemCode, problemKinds } from '#libs/problem/problem.ts';
import {
  type Job,
  type JobError,
  jobStates,
  type MediaItem,
  type Observation,
  type PublishedTweet,
  type WaitReason,
} from './job.ts';

/** What a move may write into a record; `null` removes the field, `now(±ms)` is filled in by Redis' clock. */
export interface JobPatch {
  readonly owner?: string | null;
  readonly starts?: number;
  readonly cursor?: number;
  readonly attemptId?: string | null;
  readonly intentAt?: RedisNow | null;
  readonly deadlineAt?: RedisNow | null;
  readonly firstIntentAt?: RedisNow | number | null;
  readonly openAttempts?: number;
  readonly observation?: Observation | null;
  readonly failures?: number;
  readonly failingSince?: number | null;
  readonly renewedToken?: boolean;
  readonly createdWithoutId?: boolean;
  readonly reconcile?: true | null;
  readonly notBefore?: number | null;
  readonly waitReason?: WaitReason | null;
  readonly error?: JobError | null;
  readonly items?: Readonly<Record<number, { readonly item: MediaItem; readonly step: ItemStep }>>;
}

/** What counts for the other items of the job: nothing yet, bytes checked on disk, ready at X. */
export type ItemStep = 'new' | 'prepared' | 'ready';

/** A time that the script fills in from Redis' own clock. */
export interface RedisNow {
  readonly plusMs: number;
}

export const redisNow = (plusMs = 0): RedisNow => ({ plusMs });

/** A fresh start, for the next post of a thread or by the user's wish: whatever an earlier attempt left behind is forgotten. */
export const neverTried = {
  attemptId: null,
  intentAt: null,
  firstIntentAt: null,
  deadlineAt: null,
  openAttempts: 0,
  observation: null,
  failures: 0,
  failingSince: null,
  renewedToken: false,
  createdWithoutId: false,
  notBefore: null,
  waitReason: null,
  error: null,
  starts: 0,
} as const satisfies JobPatch;

const fieldNames = {
  owner: 'owner',
  starts: 'starts',
  cursor: 'cursor',
  attemptId: 'attempt_id',
  intentAt: 'intent_at',
  deadlineAt: 'deadline_at',
  firstIntentAt: 'first_intent_at',
  openAttempts: 'open_attempts',
  observation: 'observation',
  failures: 'failures',
  failingSince: 'failing_since',
  renewedToken: 'renewed_token',
  createdWithoutId: 'created_without_id',
  reconcile: 'reconcile',
  notBefore: 'not_before',
  waitReason: 'wait_reason',
  error: 'error',
} as const satisfies Partial<Record<keyof JobPatch, string>>;

/** A patch as the move script takes it: fields to set, all strings, and fields to remove. */
export function toFields(patch: JobPatch): { set: Record<string, string>; del: string[] } {
  const set: Record<string, string> = {};
  const del: string[] = [];
  for (const [name, field] of Object.entries(fieldNames)) {
    const value = patch[name as keyof typeof fieldNames];
    if (value === undefined) continue;
    if (value === null) del.push(field);
    else set[field] = toField(value);
  }
  for (const [index, { item, step }] of Object.entries(patch.items ?? {})) {
    set[`item:${index}`] = JSON.stringify(item);
    set[`item:${index}:step`] = step;
    set[`item:${index}:starts`] = '0';
  }
  return { set, del };
}

function toField(value: string | number | boolean | object): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value !== 'object') return String(value);
  if (!('plusMs' in value)) return JSON.stringify(value);
  const { plusMs } = value as RedisNow;
  return plusMs < 0 ? `@now${plusMs}` : `@now+${plusMs}`;
}

type Fields = Readonly<Partial<Record<string, string>>>;

/** A hash that is no record, or one in words that this version does not know. */
export class UnreadableRecordError extends Error {
  override readonly name: string = 'UnreadableRecordError';
}

/** A record in a state that only a later version of this program knows. */
export class NewerRecordError extends UnreadableRecordError {
  override readonly name = 'NewerRecordError';
  readonly accountId: string | undefined;
  constructor({ state, account }: Fields) {
    super(`a record in no known state: ${state}`);
    this.accountId = account;
  }
}

/** Reads the fields of a record one by one; by hand, because every request and every step of a worker reads some. */
function readerOf(fields: Fields) {
  const number = (name: string, fallback?: string): number => {
    const value = Number(fields[name] ?? fallback ?? Number.NaN);
    if (Number.isNaN(value)) throw new UnreadableRecordError(`a record with no number as ${name}`);
    return value;
  };
  const text = (name: string): string => {
    const value = fields[name];
    if (value === undefined) throw new UnreadableRecordError(`a record without ${name}`);
    return value;
  };
  return {
    number,
    text,
    count: (name: string) => number(name, '0'),
    time: (name: string) => number(name, '0') || null,
    flag: (name: string) => fields[name] === '1',
    json: <T>(name: string) => parseJson(name, fields[name] || 'null') as T | null,
    item: (index: number) => parseJson(`item:${index}`, text(`item:${index}`)) as MediaItem,
  };
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UnreadableRecordError(`a record with no JSON as ${name}`, { cause });
  }
}

/** A record as Redis keeps it, parsed. @throws UnreadableRecordError */
export function parseJob(fields: Fields): Job {
  const { number, count, time, flag, json, text, item } = readerOf(fields);
  const state = jobStates.find((known) => known === fields.state);
  if (state === undefined) throw new NewerRecordError(fields);
  const error = json<{ code: string; detail: string }>('error');
  return {
    version: number('v', '1'),
    id: text('id'),
    accountId: text('account'),
    username: text('username'),
    clientId: text('client'),
    state,
    owner: fields.owner ?? null,
    starts: count('starts'),
    cursor: count('cursor'),
    fence: count('fence'),
    attemptId: fields.attempt_id ?? null,
    intentAt: time('intent_at'),
    deadlineAt: time('deadline_at'),
    firstIntentAt: time('first_intent_at'),
    openAttempts: count('open_attempts'),
    observation: json<Observation>('observation'),
    failures: count('failures'),
    failingSince: time('failing_since'),
    renewedToken: flag('renewed_token'),
    createdWithoutId: flag('created_without_id'),
    reconcile: flag('reconcile'),
    notBefore: time('not_before'),
    waitReason: (fields.wait_reason as WaitReason | undefined) || null,
    acceptedAt: number('accepted_at'),
    sequence: number('sequence'),
    updatedAt: number('updated_at'),
    publishAt: time('publish_at'),
    expiresAt: time('expires_at'),
    endedAt: time('ended_at'),
    sealedOrder: text('order'),
    fingerprint: text('fingerprint'),
    tweets: parseTweets(fields.tweets ?? ''),
    media: Array.from({ length: count('media') }, (_, index) => item(index)),
    error: error && { code: toProblemCode(error.code), detail: error.detail },
  };
}

/** `id@time` pairs, the id empty where X never told it. */
function parseTweets(text: string): PublishedTweet[] {
  return text
    .split(',')
    .filter(Boolean)
    .map((pair) => {
      const [id, at] = pair.split('@');
      return { id: id || null, publishedAt: Number(at) };
    });
}

function toProblemCode(code: string): ProblemCode {
  return code in problemKinds ? (code as ProblemCode) : 'internal_error';
}
