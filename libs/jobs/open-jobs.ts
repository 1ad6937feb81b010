import type { Redis } from 'ioredis';
import { type JobState, jobStates, type MediaItem, type WaitReason } from './job.ts';
import { type Judged, judge } from './job-view.ts';

/** How the open jobs are doing now. */
export interface OpenJobs {
  readonly total: number;
  /** Jobs by the contract's status; of the first `examined` alone, where there are more. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly waitingByReason: Readonly<Record<string, number>>;
  readonly examined: number;
  /** How long the job that should have been looked at first has been waiting for that, ms. */
  readonly overdueMs: number;
}

const openKey = 'jobs:open';
/** Looking at more than this would be work of its own; these are the ones that are due first. */
const mostExamined = 2000;
const lot = 200;
const fields = ['state', 'publish_at', 'not_before', 'wait_reason', 'owner', 'fence', 'media'] as const;

/** Looks at the open jobs, those that are due first before others. `now`: epoch ms. */
export async function lookAtOpenJobs(redis: Redis, now: number): Promise<OpenJobs> {
  const [total, listed, first] = await Promise.all([
    redis.zcard(openKey),
    redis.zrange(openKey, '0', String(mostExamined - 1)),
    redis.zrange(openKey, '0', '0', 'WITHSCORES'),
  ]);
  const byStatus: Record<string, number> = {};
  const waitingByReason: Record<string, number> = {};
  for (const job of await readAll(redis, listed)) {
    const { status, waitReason } = judge(job, now);
    byStatus[status] = (byStatus[status] ?? 0) + 1;
    if (status === 'waiting' && waitReason)
      waitingByReason[waitReason] = (waitingByReason[waitReason] ?? 0) + 1;
  }
  const dueAt = Number(first[1] ?? now);
  return { total, byStatus, waitingByReason, examined: listed.length, overdueMs: Math.max(0, now - dueAt) };
}

/** Some at a time: whoever waits for an answer of this process meanwhile gets it between two lots. */
async function readAll(redis: Redis, jobIds: readonly string[]): Promise<Judged[]> {
  const jobs: (Judged | null)[] = [];
  for (let start = 0; start < jobIds.length; start += lot)
    jobs.push(...(await Promise.all(jobIds.slice(start, start + lot).map((jobId) => read(redis, jobId)))));
  return jobs.filter((job) => job !== null);
}

async function read(redis: Redis, jobId: string): Promise<Judged | null> {
  const key = `job:${jobId}`;
  const [state, publishAt, notBefore, waitReason, owner, fence, media] = await redis.hmget(key, ...fields);
  const known = jobStates.find((name): name is JobState => name === state);
  if (known === undefined) return null;
  const names = Array.from({ length: Number(media ?? 0) }, (_, index) => `item:${index}`);
  const items = known === 'accepted' && names.length > 0 ? await redis.hmget(key, ...names) : [];
  return {
    state: known,
    publishAt: Number(publishAt) || null,
    notBefore: Number(notBefore) || null,
    waitReason: (waitReason as WaitReason | null) || null,
    owner: owner ?? null,
    fence: Number(fence ?? 0),
    media: items.flatMap((text) => (text ? [JSON.parse(text) as MediaItem] : [])),
  };
}
