import type { Context, Next } from 'koa';
import type { Tracing } from '#libs/insight/tracing.ts';
import { probes, routeOf } from './operate-requests.ts';

/** Every request but probes as a span, from its arrival until its answer is made; within the caller's trace where there is one. */
export function traceRequests(tracing: Tracing) {
  return async (ctx: Context, next: Next): Promise<void> => {
    if (probes.has(ctx.path)) return await next();
    const { method } = ctx;
    const begun = {
      kind: 'server',
      parent: ctx.get('traceparent'),
      facts: { 'http.request.method': method },
    } as const;
    await tracing.span(method, begun, async (span) => {
      await next();
      const { status } = ctx;
      const route = routeOf(ctx);
      span.rename(`${method} ${route}`);
      span.tell({
        'http.route': route,
        'http.response.status_code': status,
        'post_to_x.request_id': String(ctx.state.requestId),
      });
      if (status >= 500) span.fail(String(status));
    });
  };
}
