import type { ParsedUrlQuery } from 'node:querystring';
import { z } from 'zod';
import { ProblemError } from '#libs/problem/problem.ts';
import { toFieldErrors } from './field-errors.ts';

/** What `status` of a job may be, as `JobStatus` in openapi.yaml lists it. */
export const statuses = [
  'scheduled',
  'queued',
  'processing',
  'waiting',
  'confirming',
  'published',
  'failed',
  'canceled',
  'unconfirmed',
] as const;

const wholeNumber = (from: number, to: number) =>
  z
    .string(`Must be a whole number from ${from} to ${to}.`)
    .regex(/^\d{1,4}$/, `Must be a whole number from ${from} to ${to}.`)
    .transform(Number)
    .refine((value) => value >= from && value <= to, `Must be a whole number from ${from} to ${to}.`);

const WaitQuery = z.object({ wait_seconds: wholeNumber(0, 40).default(0) });
const ListQuery = z.object({
  status: z.enum(statuses, `Must be one of ${statuses.join(', ')}.`).optional(),
  limit: wholeNumber(1, 100).default(20),
  cursor: z.string('Must stand once.').optional(),
});
/** The fields of `ResolveJobRequest` in openapi.yaml. */
export const resolveFields = {
  outcome: z
    .enum(['posted', 'not_posted', 'resend'], 'Must be posted, not_posted or resend.')
    .meta({ description: 'What the user found on X, or resend to post again because it is not there.' }),
  tweet_id: z
    .string('Must be the digits at the end of the URL of the post.')
    .regex(/^\d{1,19}$/, 'Must be the digits at the end of the URL of the post.')
    .optional()
    .meta({
      description:
        'With posted: the digits at the end of its URL, so that the rest of a thread can follow. Without it the post is looked for.',
    }),
};
const ResolveBody = z.strictObject(resolveFields, 'Must be a JSON object.');
/** The user's word on an unconfirmed post. */
export type UserWord = z.output<typeof ResolveBody>;

/** @throws {ProblemError} bad_request */
export const readWaitSeconds = (query: ParsedUrlQuery): number => parse(WaitQuery, query).wait_seconds;

/** @throws {ProblemError} bad_request */
export const readListQuery = (query: ParsedUrlQuery) =>
  // A field that a form leaves empty is left out.
  parse(ListQuery, Object.fromEntries(Object.entries(query).filter(([, value]) => value !== '')));

/** @throws {ProblemError} bad_request, validation_failed */
export const readResolve = (body: unknown): UserWord => parse(ResolveBody, body);

/** @throws {ProblemError} bad_request, naming every wrong field */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(withoutNulls(value));
  if (parsed.success) return parsed.data;
  const errors = toFieldErrors(parsed.error);
  throw new ProblemError(
    'bad_request',
    errors.map(({ field, message }) => `${field}: ${message}`).join(' '),
    { errors },
  );
}

/** A field that is null counts as left out, as models send it. */
function withoutNulls(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
}
