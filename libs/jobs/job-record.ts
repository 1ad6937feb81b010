import { z } from 'zod';
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

const epochMs = z.coerce.number();
const optionalTime = epochMs.optional().transform((value) => value || null);
const count = z.coerce.number().default(0);
const flag = z
  .string()
  .optional()
  .transform((value) => value === '1');
const json = <T>() =>
  z
    .string()
    .optional()
    .transform((text) => (text ? (JSON.parse(text) as T) : null));

const Fields = z.object({
  v: z.coerce.number().default(1),
  id: z.string(),
  account: z.string(),
  username: z.string(),
  client: z.string(),
  state: z.enum(jobStates),
  owner: z.string().optional(),
  starts: count,
  cursor: count,
  fence: count,
  attempt_id: z.string().optional(),
  intent_at: optionalTime,
  deadline_at: optionalTime,
  first_intent_at: optionalTime,
  open_attempts: count,
  observation: json<Observation>(),
  failures: count,
  failing_since: optionalTime,
  renewed_token: flag,
  created_without_id: flag,
  reconcile: flag,
  not_before: optionalTime,
  wait_reason: z
    .string()
    .optional()
    .transform((value) => (value ? (value as WaitReason) : null)),
  accepted_at: epochMs,
  sequence: z.coerce.number(),
  updated_at: epochMs,
  publish_at: optionalTime,
  expires_at: optionalTime,
  ended_at: optionalTime,
  order: z.string(),
  fingerprint: z.string(),
  tweets: z.string().default('').transform(parseTweets),
  media: count,
  error: json<{ code: string; detail: string }>(),
});

/** A record as Redis keeps it, parsed. @throws ZodError for a hash that is no record. */
export function parseJob(fields: Readonly<Record<string, string>>): Job {
  const parsed = Fields.parse(fields);
  return {
    version: parsed.v,
    id: parsed.id,
    accountId: parsed.account,
    username: parsed.username,
    clientId: parsed.client,
    state: parsed.state,
    owner: parsed.owner ?? null,
    starts: parsed.starts,
    cursor: parsed.cursor,
    fence: parsed.fence,
    attemptId: parsed.attempt_id ?? null,
    intentAt: parsed.intent_at,
    deadlineAt: parsed.deadline_at,
    firstIntentAt: parsed.first_intent_at,
    openAttempts: parsed.open_attempts,
    observation: parsed.observation,
    failures: parsed.failures,
    failingSince: parsed.failing_since,
    renewedToken: parsed.renewed_token,
    createdWithoutId: parsed.created_without_id,
    reconcile: parsed.reconcile,
    notBefore: parsed.not_before,
    waitReason: parsed.wait_reason,
    acceptedAt: parsed.accepted_at,
    sequence: parsed.sequence,
    updatedAt: parsed.updated_at,
    publishAt: parsed.publish_at,
    expiresAt: parsed.expires_at,
    endedAt: parsed.ended_at,
    sealedOrder: parsed.order,
    fingerprint: parsed.fingerprint,
    tweets: parsed.tweets,
    media: Array.from(
      { length: parsed.media },
      (_, index) => JSON.parse(fields[`item:${index}`] ?? 'null') as MediaItem,
    ),
    error: parsed.error ? { code: toProblemCode(parsed.error.code), detail: parsed.error.detail } : null,
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
