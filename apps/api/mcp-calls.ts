import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Job } from '#libs/jobs/job.ts';
import { type FieldError, ProblemError } from '#libs/problem/problem.ts';
import type { AccountAnswers } from './account.ts';
import type { JobAnswers } from './jobs.ts';
import { answer, describeJobs, describeJobView } from './mcp-answers.ts';
import { fileFields, type ToolName, toolArguments, usualWaitSeconds } from './mcp-arguments.ts';
import { acceptPost, type PostingDeps } from './post-tweet.ts';
import { parse } from './requests.ts';
import type { Caller } from './sign-in/sign-in.ts';
import { validatePost } from './validate-tweet.ts';

export interface CallDeps {
  readonly posting: PostingDeps;
  readonly jobs: JobAnswers;
  readonly accounts: AccountAnswers;
}

/** One call of a tool. */
export interface ToolCall {
  readonly caller: Caller;
  /** As sent. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Aborts when the client has gone; what was accepted goes on. */
  readonly gone: AbortSignal;
  /** Called while the answer is held. */
  readonly onChange: (job: Job) => void;
}

/** What each tool does: the very acts of the HTTP API, and their answers. Throws what these throw. */
export type ToolActs = Readonly<Record<ToolName, (call: ToolCall) => Promise<CallToolResult>>>;

export function createToolActs({ posting, jobs, accounts }: CallDeps): ToolActs {
  const jobAnswer = (job: Job, accepted: { replayed?: boolean; duplicateOfRecent?: boolean } = {}) => {
    const view = jobs.view(job, accepted);
    return answer(view, describeJobView(view));
  };
  const follow = (jobId: string, waitSeconds: number, { gone, onChange }: ToolCall) =>
    jobs.follow(jobId, { waitSeconds, gone, onChange });
  return {
    async post_tweet(call) {
      const body = { wait_seconds: usualWaitSeconds, ...toBody(call.given) };
      const accepted = await acceptPost(posting, call.caller, body, null).catch(blameFiles);
      return jobAnswer(await follow(accepted.jobId, accepted.waitSeconds, call), accepted);
    },
    async validate_tweet({ caller, given }) {
      const found = await validatePost(posting, caller, toBody(given)).catch(blameFiles);
      const problems = found.problems.map(({ field, message }) => `${field ?? 'post'}: ${message}`);
      const verdict = found.valid
        ? 'The post is fine'
        : `The post cannot be posted: ${problems.join(' ')} It`;
      const remarks = found.warnings.map(({ message }) => ` ${message}`).join('');
      const length = `has ${found.weighted_length} of ${found.max_weighted_length} characters`;
      const cost = `X charges $${found.estimated_cost_usd}`;
      return answer(found, `${verdict}${found.valid ? ': it' : ''} ${length}; ${cost}.${remarks}`);
    },
    async get_job(call) {
      const { job_id, wait_seconds } = parse(toolArguments.get_job, call.given);
      const job = await jobs.ownJob(call.caller, job_id);
      return jobAnswer(jobs.isInWork(job) ? await follow(job.id, wait_seconds, call) : job);
    },
    async list_jobs({ caller, given }) {
      const found = await jobs.list(caller, parse(toolArguments.list_jobs, given));
      return answer(found, describeJobs(found));
    },
    async cancel_job({ caller, given }) {
      return jobAnswer(await jobs.cancel(caller, parse(toolArguments.cancel_job, given).job_id));
    },
    async resolve_job({ caller, given }) {
      const { job_id, outcome } = parse(toolArguments.resolve_job, given);
      return jobAnswer(await jobs.resolve(caller, job_id, outcome));
    },
    async delete_tweet({ caller, given }) {
      const { tweet_id } = parse(toolArguments.delete_tweet, given);
      return answer(await accounts.deleteTweet(caller, tweet_id), `The post ${tweet_id} is deleted from X.`);
    },
    async get_account({ caller, given }) {
      parse(toolArguments.get_account, given);
      const me = await accounts.describe(caller);
      const handle = `@${me.account.username}`;
      const state = me.connected ? 'Posts go to' : 'The user has to sign in again:';
      const cost = `this month's posts cost $${me.spend.spent_usd}`;
      return answer(
        { id: me.account.id, name: handle, ...me },
        `${state} ${handle} (${me.account.name}); ${cost}.`,
      );
    },
  };
}

/** Arguments as a body of `POST /postTweet`: ChatGPT's files have other names there. */
function toBody(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const files = fileFields.flatMap((name) => (isObject(given[name]) ? [given[name]] : []));
  const names: readonly string[] = fileFields;
  const others = Object.entries(given).filter(
    ([name, value]) => !names.includes(name) || (value !== null && !isObject(value)),
  );
  if (files.length === 0) return Object.fromEntries(others);
  const refs = files.map(({ file_id: id, download_url: download_link, mime_type, file_name: name }) =>
    Object.fromEntries(
      Object.entries({ id, download_link, mime_type, name }).filter(([, value]) => value !== undefined),
    ),
  );
  return { ...Object.fromEntries(others), openaiFileIdRefs: refs };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names files in a refusal as they were called here. */
function blameFiles(error: unknown): never {
  if (
    !(error instanceof ProblemError) ||
    !error.errors?.some(({ field }) => field.startsWith('openaiFileIdRefs'))
  )
    throw error;
  const errors: FieldError[] = error.errors.map(({ field, message }) => ({
    field: field
      .replace(/^openaiFileIdRefs\[(\d)\]/, (_, index: string) => fileFields[Number(index)] ?? 'file')
      .replace(/\.download_link$/, '.download_url'),
    message,
  }));
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
  throw new ProblemError(error.code, detail.slice(0, 900), { errors, cause: error });
}
