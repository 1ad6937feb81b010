import type { Context, Next } from 'koa';
import { NewerRecordError } from '#libs/jobs/job-record.ts';
import type { Log } from '#libs/log/log.ts';
import { ProblemError, problemKinds } from '#libs/problem/problem.ts';
import { UnknownKeyError } from '#libs/sealing/sealing.ts';
import { sendPage, wantsPage } from './pages/page.ts';
import { refusalPage } from './pages/problem-pages.ts';
import type { Doors } from './pages/setup.ts';

/** The outermost middleware: whatever is thrown leaves as `application/problem+json` (RFC 9457), never as a stack. */
export function answerProblems({
  publicUrl,
  log,
  doors,
}: {
  readonly publicUrl: string;
  readonly log: Log;
  readonly doors: Doors;
}) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined && !ctx.headerSent && ctx.respond !== false)
        throw new ProblemError(
          'not_found',
          `There is nothing at this address.${doors.rest ? ' See /openapi.json for what there is.' : ''}`,
        );
    } catch (error) {
      const problem = toProblem(error);
      ctx.state.problemCode = problem.code;
      if (problem.kind.status >= 500 && problem.code === 'internal_error')
        log.error(
          { err: error, method: ctx.method, path: ctx.path, requestId: ctx.state.requestId },
          'A request failed by a fault of this server',
        );
      if (ctx.headerSent) return;
      if (isForPeople(ctx)) sendRefusalPage(ctx, problem, publicUrl);
      else sendProblem(ctx, problem, publicUrl);
    }
  };
}

/** A browser that opens an address; the routes that answer forms of our pages say so in `ctx.state`. */
function isForPeople(ctx: Context): boolean {
  ctx.vary('Accept');
  return wantsPage(ctx) && (ctx.method === 'GET' || ctx.state.isPage === true);
}

function sendRefusalPage(ctx: Context, problem: ProblemError, publicUrl: string): void {
  const here = /^\/jobs\/[0-9a-f]{32}$/.test(ctx.path) ? ctx.path : '/';
  setProblemHeaders(ctx, problem);
  sendPage(ctx, refusalPage(problem, `${publicUrl}/startAuth?return_to=${here}`));
}

/** What stands around a problem, whatever form its words take. */
function setProblemHeaders(ctx: Context, problem: ProblemError): void {
  const { status } = problem.kind;
  const retryAfter = retryAfterOf(problem);
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  if (status === 413) ctx.set('Connection', 'close');
  ctx.set(problem.headers);
}

function retryAfterOf(problem: ProblemError): number | undefined {
  return problem.retryAfterSeconds ?? (problem.kind.status === 503 ? 5 : undefined);
}

/** Writes a problem as the answer. */
function sendProblem(ctx: Context, problem: ProblemError, publicUrl: string): void {
  const { status, title, retryable, action } = problemKinds[problem.code];
  const retryAfter = retryAfterOf(problem);
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  setProblemHeaders(ctx, problem);
  ctx.type = 'application/problem+json';
  ctx.body = JSON.stringify({
    type: `${publicUrl}/problems/${problem.code}`,
    title,
    status,
    detail: problem.detail + remedyOf(problem, publicUrl),
    instance: ctx.path,
    code: problem.code,
    retryable,
    action_required: action,
    ...(problem.errors ? { errors: problem.errors } : {}),
    ...(retryAfter === undefined ? {} : { retry_after_seconds: retryAfter }),
  });
}

/** Where an account that X no longer knows us for is connected again; a client with a bad token knows its own way. */
function remedyOf({ code, headers }: ProblemError, publicUrl: string): string {
  const reconnect = problemKinds[code].action === 'reconnect' && headers['WWW-Authenticate'] === undefined;
  return reconnect ? ` Connect the account again at ${publicUrl}/startAuth` : '';
}

/** What an error of any kind is called outside. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  // Another process has it, or its operator brings it back.
  if (error instanceof UnknownKeyError)
    return new ProblemError(
      'unavailable',
      'This part of the server lacks a key that what you ask for was sealed with. Try again later.',
      { cause: error, retryAfterSeconds: 60 },
    );
  // While one version replaces another, both answer.
  if (error instanceof NewerRecordError)
    return new ProblemError(
      'unavailable',
      'This job was last written by a newer version of this server, in words that this part of it does not know yet. Try again later.',
      { cause: error, retryAfterSeconds: 60 },
    );
  if (isRedisAway(error))
    return new ProblemError(
      'unavailable',
      'The server cannot store anything at the moment. Send the same again in a few seconds: should a post have been accepted after all, that leads to the same job (with allow_duplicate, only by its request_id).',
      {
        cause: error,
        retryAfterSeconds: 5,
      },
    );
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  if (status === 400) return new ProblemError('bad_request', 'The request is malformed.', { cause: error });
  if (status === 404)
    return new ProblemError('not_found', 'There is nothing at this address.', { cause: error });
  if (status === 405 || status === 501)
    return new ProblemError('method_not_allowed', 'This address does not take this method.', {
      cause: error,
    });
  if (status === 413) return new ProblemError('body_too_large', 'The body is too large.', { cause: error });
  return new ProblemError('internal_error', 'The server failed at this request. Nothing was accepted.', {
    cause: error,
  });
}

const away =
  /Stream isn't writeable|Connection is closed|Command timed out|max retries per request|ECONNREFUSED|ECONNRESET|EPIPE|READONLY|^OOM |MISCONF|LOADING|NOAUTH|WRONGPASS/;

/** What ioredis and Redis say when a write was not taken. */
function isRedisAway(error: unknown): boolean {
  return error instanceof Error && away.test(`${error.message} ${'code' in error ? String(error.code) : ''}`);
}
