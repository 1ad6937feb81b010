import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Config } from '#libs/config/config.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Metrics, MetricsDeps } from './operate-metrics.ts';
import type { Readiness } from './readiness.ts';
import { isSame } from './sign-in/secrets.ts';
import type { Throttle } from './throttle.ts';

/** The pages for operators; what is not configured is not there. */
export interface Operation {
  readonly metrics: { readonly page: Metrics; readonly token: string } | null;
  readonly dashboard: Middleware | null;
}

/** Loads what the settings ask for, and nothing else: both would slow the start of those who use neither. */
export async function createOperation(
  { metricsToken, admin }: Config['operate'],
  deps: MetricsDeps & { readonly publicUrl: string; readonly throttle: Throttle },
): Promise<Operation> {
  const metrics = metricsToken === null ? null : await import('./operate-metrics.ts');
  const queues = admin === null ? null : await import('./operate-queues.ts');
  return {
    metrics:
      metrics && metricsToken !== null ? { page: metrics.createMetrics(deps), token: metricsToken } : null,
    dashboard: queues && admin ? queues.createQueueDashboard({ ...deps, admin }) : null,
  };
}

/** `/healthz`, `/readyz` and `/metrics`. */
export function operationRoutes(deps: {
  readonly readiness: Readiness;
  readonly throttle: Throttle;
  readonly metrics: Operation['metrics'];
}): Router {
  const { readiness, throttle, metrics } = deps;
  const router = new Router();
  router.get('/healthz', (ctx) => {
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { status: 'ok' };
  });
  router.get('/readyz', async (ctx) => {
    const problems = await readiness.problems();
    ctx.set('Cache-Control', 'no-store');
    if (problems.length > 0) ctx.set('Retry-After', '5');
    ctx.status = problems.length > 0 ? 503 : 200;
    ctx.body = { status: problems.length > 0 ? 'not_ready' : 'ready', problems };
  });
  if (metrics)
    router.get('/metrics', async (ctx) => {
      await checkToken(ctx, throttle, metrics.token);
      ctx.set('Cache-Control', 'no-store');
      ctx.type = 'text/plain; version=0.0.4; charset=utf-8';
      ctx.body = await metrics.page.text();
    });
  return router;
}

/** @throws {ProblemError} unauthorized; too_many_requests after many wrong tokens from one address */
async function checkToken(ctx: Context, throttle: Throttle, token: string): Promise<void> {
  await throttle.refuseGuesser(ctx);
  const sent = /^Bearer +(.+)$/i.exec(ctx.get('authorization'))?.[1];
  if (sent !== undefined && isSame(sent.trim(), token)) return;
  if (sent !== undefined) await throttle.countGuess(ctx);
  throw new ProblemError('unauthorized', 'Send METRICS_TOKEN as Authorization: Bearer …', {
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}
