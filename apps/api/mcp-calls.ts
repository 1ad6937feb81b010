import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Job } from '#libs/jobs/job.ts';
import { type FieldError, ProblemError } from '#libs/problem/problem.ts';
import type { AccountAnswers } from './account.ts';
import { noSuchField } from './field-errors.ts';
import type { JobAnswers, ViewOptions } from './jobs.ts';
import { answer, answerJob, describeJobs } from './mcp-answers.ts';
import { fileFields, type ToolName, toolArguments, usualWaitSeconds } from './mcp-arguments.ts';
import { acceptPost, type PostingDeps } from './post-tweet.ts';
import { parse } from './requests.ts';
import type { Caller } from './sign-in/sign-in.ts';
import { validatePost } from './validate-tweet.ts';

export interface CallDeps {
  readonly publicUrl: string;
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

export function createToolActs({ publicUrl, posting, jobs, accounts }: CallDeps): ToolActs {
  const jobAnswer = (job: Job, accepted: ViewOptions = {}) => {
    return answerJob(jobs.view(job, accepted), publicUrl);
  };
  return {
    async post_tweet(call) {
      const body = { wait_seconds: usualWaitSeconds, ...toBody(call.given) };
      const accepted = await acceptPost(posting, call.caller, body).catch((error) =>
        blame(error, call.given),
      );
      return jobAnswer(await jobs.follow(accepted, heldFor(call)), accepted);
    },
    async validate_tweet({ caller, given }) {
      const found = await validatePost(posting, caller, toBody(given)).catch((error) => blame(error, given));
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
      const wait = { jobId: job.id, job, waitSeconds: wait_seconds };
      return jobAnswer(jobs.isInWork(job) ? await jobs.follow(wait, heldFor(call)) : job);
    },
    async list_jobs({ caller, given }) {
      const found = await jobs.list(caller, parse(toolArguments.list_jobs, given));
      return answer(found, describeJobs(found));
    },
    async cancel_job({ caller, given }) {
      return jobAnswer(await jobs.cancel(caller, parse(toolArguments.cancel_job, given).job_id));
    },
    async resolve_job({ caller, given }) {
      const { job_id, ...word } = parse(toolArguments.resolve_job, given);
      return jobAnswer(await jobs.resolve(caller, job_id, word));
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

/** What a held answer watches for. */
const heldFor = ({ gone, onChange }: ToolCall) => ({
  onChange,
  onGivingUp: (giveUp: () => void) => (gone.aborted ? giveUp() : gone.addEventListener('abort', giveUp)),
});

/** Arguments as a body of `POST /postTweet`: ChatGPT's files have other names there. */
function toBody(given: ToolCall['given']): Record<string, unknown> {
  if ((given.openaiFileIdRefs ?? null) !== null) {
    const [field, message] = ['openaiFileIdRefs', `${noSuchField} Files go in ${fileFields.join(', ')}.`];
    throw new ProblemError('bad_request', `${field}: ${message}`, { errors: [{ field, message }] });
  }
  const body = Object.fromEntries(Object.entries(given).filter(([name]) => !isFileField(name)));
  const files = givenFiles(given).map((name) => toFileRef(given[name]));
  return files.length === 0 ? body : { ...body, openaiFileIdRefs: files };
}

const isFileField = (name: string) => fileFields.some((field) => field === name);

const givenFiles = (given: ToolCall['given']) => fileFields.filter((name) => (given[name] ?? null) !== null);

/** What is no file is judged where it goes. */
function toFileRef(file: unknown): unknown {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return file;
  return Object.fromEntries(Object.entries(file).map(([name, value]) => [fileNames[name] ?? name, value]));
}

const fileNames: Readonly<Record<string, string>> = {
  file_id: 'id',
  download_url: 'download_link',
  file_name: 'name',
};

/** Names files in a refusal as they were called here. */
function blame(error: unknown, given: ToolCall['given']): never {
  if (!(error instanceof ProblemError) || !error.errors) throw error;
  const errors: FieldError[] = error.errors.map(({ field, message }) => ({
    field: field.replace(
      /^openaiFileIdRefs(?:\[(\d)\])?(\.download_link)?/,
      (_, index = '-1', link = '') => `${givenFiles(given).at(Number(index))}${link ? '.download_url' : ''}`,
    ),
    message: message.replace('a download_link', 'a download_url'),
  }));
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join(' ');
  throw new ProblemError(error.code, detail.slice(0, 900), { errors, cause: error });
}
