import type { Context, Next } from 'koa';
import type { Counts } from '#libs/insight/counts.ts';
import { parseTraceparent } from '#libs/insight/traceparent.ts';
import type { Tracing } from '#libs/insight/tracing.ts';
import type { Log } from '#libs/log/log.ts';
import { randomBytes } from '#libs/sealing/random-bytes.ts';

/** What is known of a request once it has been answered. */
export interface AnsweredRequest {
  readonly method: string;
  /** The pattern of the route, as in `/jobs/:jobId`; `other` where none of ours matched. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

interface RequestsDeps {
  readonly log: Log;
  readonly counts: Pick<Counts, 'add'>;
  readonly tracing: Pick<Tracing, 'here'>;
  readonly onAnswer: (request: AnsweredRequest) => void;
}

/** Asked every few seconds by whatever supervises the process: as long as all is well that is no news. */
export const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** Gives every request an id, which its answer and its one line in the log carry. Only `traceRequests` is further out. */
export function tellRequests({ log, counts, tracing, onAnswer }: RequestsDeps) {
  return (ctx: Context, next: Next): Promise<void> => {
    const startedAt = performance.now();
    const requestId = requestIdOf(ctx, tracing.here());
    ctx.state.requestId = requestId;
    ctx.set('X-Request-Id', requestId);
    // Also when the caller hangs up, and for answers that are streamed.
    ctx.res.once('close', () => {
      const { status, method } = ctx;
      const durationMs = Math.round(performance.now() - startedAt);
      const path = ctx.path.slice(0, 200);
      const accountId: unknown = ctx.state.accountId;
      const level = probes.has(ctx.path) && status < 400 ? 'debug' : 'info';
      log[level]({ requestId, method, path, status, durationMs, accountId }, 'Answered');
      onAnswer({ method, route: routeOf(ctx), status, durationMs });
      if ((status === 429 || status === 503) && ctx.path !== '/readyz')
        counts.add('refusals', [String(status), String(ctx.state.problemCode ?? '')]);
    });
    return next();
  };
}

/** The caller's own id, or that of the trace it belongs to, or a new one. */
function requestIdOf(ctx: Context, here: string | null): string {
  const given = ctx.get('x-request-id');
  if (/^[\w.:=+/-]{1,128}$/.test(given)) return given;
  const trace = parseTraceparent(here ?? ctx.get('traceparent'));
  return trace?.traceId ?? randomBytes(16).toString('hex');
}

/** The pattern of the route that answered. */
export function routeOf(ctx: Context): string {
  const matched: unknown = '_matchedRoute' in ctx ? ctx._matchedRoute : undefined;
  return typeof matched === 'string' ? matched : 'other';
}
