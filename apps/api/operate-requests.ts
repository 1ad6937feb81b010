import { randomUUID } from 'node:crypto';
import type { Context, Next } from 'koa';
import type { Counts } from '#libs/insight/counts.ts';
import type { Log } from '#libs/log/log.ts';

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
  readonly onAnswer: (request: AnsweredRequest) => void;
}

/** Asked every few seconds by whatever supervises the process: as long as all is well that is no news. */
const probes = new Set(['/healthz', '/readyz', '/metrics']);

/** Gives every request an id, which its answer and its one line in the log carry. The outermost middleware. */
export function tellRequests({ log, counts, onAnswer }: RequestsDeps) {
  return async (ctx: Context, next: Next): Promise<void> => {
    const startedAt = performance.now();
    const requestId = requestIdOf(ctx);
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
    await next();
  };
}

/** The caller's own id, or the trace it belongs to (W3C Trace Context section 3.2), or a new one. */
function requestIdOf(ctx: Context): string {
  const given = ctx.get('x-request-id');
  if (/^[\w.:=+/-]{1,128}$/.test(given)) return given;
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-|$)/.exec(ctx.get('traceparent'))?.[1];
  return trace && !/^0+$/.test(trace) ? trace : randomUUID().replaceAll('-', '');
}

function routeOf(ctx: Context): string {
  const matched: unknown = '_matchedRoute' in ctx ? ctx._matchedRoute : undefined;
  return typeof matched === 'string' ? matched : 'other';
}
