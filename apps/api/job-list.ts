import type { Job } from '#libs/jobs/job.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Caller } from './sign-in/sign-in.ts';

interface ListQuery {
  readonly status?: string | undefined;
  readonly limit: number;
  /** `next_cursor` of an earlier page. */
  readonly cursor?: string | undefined;
}

/** Lists the caller's jobs, newest first, a page at a time. @throws {ProblemError} bad_request */
export function createJobList(jobs: Pick<JobStore, 'list'>, view: (job: Job) => JobView) {
  return async (caller: Pick<Caller, 'accountId'>, query: ListQuery) => {
    const found: { shown: JobView; sequence: number }[] = [];
    let before = query.cursor === undefined ? undefined : parseCursor(query.cursor);
    let more = true;
    // One more than is shown tells whether there is another page.
    while (found.length <= query.limit && more) {
      const page = await jobs.list(caller.accountId, {
        limit: 100,
        ...(before === undefined ? {} : { before }),
      });
      more = page.full;
      before = page.last;
      for (const job of page.jobs) {
        const shown = view(job);
        if (query.status !== undefined && shown.status !== query.status) continue;
        if (found.length === query.limit)
          return {
            jobs: found.map(({ shown: one }) => summarize(one)),
            next_cursor: String(found.at(-1)?.sequence),
          };
        found.push({ shown, sequence: job.sequence });
      }
    }
    return { jobs: found.map(({ shown }) => summarize(shown)), next_cursor: null };
  };
}

function parseCursor(cursor: string): number {
  if (!/^\d{1,16}$/.test(cursor))
    throw new ProblemError('bad_request', 'cursor: Must be the next_cursor of an earlier answer.', {
      errors: [{ field: 'cursor', message: 'Must be the next_cursor of an earlier answer.' }],
    });
  return Number(cursor);
}

/** A job in a list (`JobSummary` in openapi.yaml). */
export type JobSummary = ReturnType<typeof summarize>;

function summarize(job: JobView) {
  const { job_id, status, status_url, created_at, updated_at, publish_at, retry_at, tweet_id, tweet_url } =
    job;
  return {
    job_id,
    status,
    message: shorten(job.message, 160),
    status_url,
    created_at,
    updated_at,
    publish_at,
    retry_at,
    tweet_id,
    tweet_text: job.tweet_text === null ? null : shorten(job.tweet_text, 100),
    tweet_url,
    error_code: job.error?.code ?? null,
  };
}

function shorten(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters ? text : `${all.slice(0, characters - 1).join('')}…`;
}
