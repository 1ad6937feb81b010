import type { CallToolResult } from '@modelcontextprotocol/server';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type ActionRequired, type ProblemError, problemKinds } from '#libs/problem/problem.ts';
import type { JobSummary } from './job-list.ts';
import { resourceMetadataUrl } from './mcp-guard.ts';

/** A good answer: the object of the HTTP API, and a sentence for models that read only text. */
export function answer(structuredContent: object, sentence: string): CallToolResult {
  return { content: [{ type: 'text', text: sentence }], structuredContent: { ...structuredContent } };
}

/** A job as an answer. One that failed because the sign-in is lost makes ChatGPT ask for a new one. */
export function answerJob(job: JobView, publicUrl: string): CallToolResult {
  const result = answer(job, describeJobView(job));
  if (job.error?.action_required !== 'reconnect') return result;
  return {
    ...result,
    isError: true,
    _meta: { 'mcp/www_authenticate': [signInChallenge(job.error, publicUrl)] },
  };
}

/** A job in a sentence, with what the next call or the user needs. */
function describeJobView(job: JobView): string {
  if (job.tweet_url !== null) return `${job.message} ${job.tweet_url} (job_id ${job.job_id})`;
  if (job.next_check_seconds === null) {
    const next = job.error && nextSteps[job.error.action_required];
    return [job.message, next, `(job_id ${job.job_id})`].filter(Boolean).join(' ');
  }
  return `${job.message} Not at its end yet: call get_job with job_id ${job.job_id} again in ${job.next_check_seconds} seconds, or follow ${job.status_url}.`;
}

const shownJobs = 20;

/** A list of jobs in a sentence. */
export function describeJobs({
  jobs,
  next_cursor,
}: {
  jobs: JobSummary[];
  next_cursor: string | null;
}): string {
  if (jobs.length === 0) return 'There are no such posts.';
  const shown = jobs.slice(0, shownJobs).map((job) => {
    const what = job.tweet_url ?? (job.tweet_text === null ? 'without text' : `“${job.tweet_text}”`);
    return `${job.status}: ${what} (job_id ${job.job_id})`;
  });
  const more = next_cursor === null && jobs.length <= shownJobs ? '' : ' There are more.';
  return `${jobs.length} ${jobs.length === 1 ? 'post' : 'posts'}, newest first: ${shown.join('; ')}.${more}`;
}

/** A refusal, as a result that the model can act on: code, sentence, next step. */
export function refuse(problem: ProblemError, publicUrl: string): CallToolResult {
  const { title, status, retryable, action } = problemKinds[problem.code];
  const next = nextStep(problem);
  return {
    isError: true,
    content: [{ type: 'text', text: `${problem.code}: ${problem.detail} ${next}` }],
    _meta: {
      problem: {
        ...{ type: `${publicUrl}/problems/${problem.code}`, code: problem.code, title, status },
        ...{ detail: problem.detail, retryable, action_required: action },
        ...(problem.errors ? { errors: problem.errors } : {}),
        ...(problem.retryAfterSeconds === undefined
          ? {}
          : { retry_after_seconds: problem.retryAfterSeconds }),
      },
      ...(action === 'reconnect' ? { 'mcp/www_authenticate': [signInChallenge(problem, publicUrl)] } : {}),
    },
  };
}

/** What makes ChatGPT ask its user to sign in again (RFC 6750 section 3, inside a result). */
function signInChallenge({ code, detail }: Pick<ProblemError, 'code' | 'detail'>, publicUrl: string): string {
  const error = code === 'missing_scope' ? 'insufficient_scope' : 'invalid_token';
  const description = detail.replaceAll(/[^ !#-[\]-~]/g, "'");
  return `Bearer resource_metadata="${resourceMetadataUrl(publicUrl)}", error="${error}", error_description="${description}"`;
}

const nextSteps: Record<ActionRequired, string> = {
  none: '',
  reconnect: 'Next: ask the user to sign in again.',
  edit_text: 'Next: change the text with the user, then post it with a new request_id.',
  change_media: 'Next: ask the user for other media, then post with a new request_id.',
  add_credits: 'Next: whoever runs this server has to add credits to its X app.',
  check_x: 'Next: ask the user to look at X before anything is posted again.',
  operator: 'Next: whoever runs this server has to look after it.',
};

function nextStep({ code, kind, retryAfterSeconds }: ProblemError): string {
  if (kind.action !== 'none') return nextSteps[kind.action];
  if (kind.retryable)
    return `Next: call it again with the same arguments in ${retryAfterSeconds ?? 5} seconds.`;
  return own[code] ?? 'Next: tell the user.';
}

const own: Partial<Record<ProblemError['code'], string>> = {
  bad_request: 'Next: correct the arguments that are named.',
  validation_failed: 'Next: correct the arguments that are named.',
  not_found: 'Next: look at list_jobs.',
  idempotency_key_reused: 'Next: use a new request_id.',
  too_late: 'Next: look at it with get_job; a published post can be deleted with delete_tweet.',
  not_unconfirmed: 'Next: look at it with get_job.',
};
