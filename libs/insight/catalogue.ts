import { problemKinds } from '#libs/problem/problem.ts';

/** One thing that is counted over all processes of a deployment, in the hash `count:<name>`. */
export interface Counted {
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, in the unit of the name; without them it is a counter. */
  readonly buckets?: readonly number[];
  /** Values of the labels that are shown from the start, as 0: an alert sees only what rises, not what appears. */
  readonly always?: readonly (readonly string[])[];
}

const callBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const stepBuckets = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** From milliseconds, where only X's answer takes time, to hours, where a limit holds a post up. */
const publishBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14_400, 86_400];

/** Everything that is counted. Labels come from closed sets: never a user, a text, an address. */
export const catalogue = {
  jobs_accepted: { help: 'Jobs accepted.', labels: [], always: [[]] },
  jobs_ended: {
    help: 'Jobs that came to an end; code says why one failed. unconfirmed may later become published.',
    labels: ['outcome', 'code'],
    always: [
      ['published', ''],
      ['canceled', ''],
      ['unconfirmed', ''],
      ...Object.keys(problemKinds).map((code) => ['failed', code]),
    ],
  },
  posts_created: { help: 'Posts that X has taken; a thread is several.', labels: [], always: [[]] },
  publish_seconds: {
    help: 'From accepting a job, or from its due time, to published.',
    labels: [],
    buckets: publishBuckets,
  },
  x_calls: { help: 'Calls to X; status none: no answer.', labels: ['endpoint', 'status'] },
  x_call_seconds: { help: 'How long calls to X took.', labels: ['endpoint'], buckets: callBuckets },
  token_refreshes: {
    help: 'Refreshes of X access tokens; after refused the user has to sign in again.',
    labels: ['outcome'],
    always: [['renewed'], ['refused'], ['unanswered']],
  },
  media_bytes: {
    help: 'Bytes of media fetched for posts and uploaded to X.',
    labels: ['direction'],
    always: [['fetched'], ['uploaded']],
  },
  media_seconds: { help: 'How long the steps of media items took.', labels: ['step'], buckets: stepBuckets },
  redis_losses: {
    help: 'Times that Redis was seen to have forgotten what it had acknowledged.',
    labels: [],
    always: [[]],
  },
  refusals: {
    help: 'Requests answered with 429 or 503, by problem.',
    labels: ['status', 'code'],
    always: [
      ['503', 'unavailable'],
      ['503', 'storage_full'],
      ['429', 'too_many_requests'],
      ['429', 'too_many_open_jobs'],
    ],
  },
} as const satisfies Readonly<Record<string, Counted>>;

export type CountedName = keyof typeof catalogue;

/** The key of what is counted under this name. */
export const countKey = (name: CountedName): string => `count:${name}`;

/** The field of one bucket: the first whose bound is not below the value, one beyond the last for `+Inf`. */
export function bucketOf(buckets: readonly number[], value: number): number {
  const index = buckets.findIndex((bound) => value <= bound);
  return index === -1 ? buckets.length : index;
}
