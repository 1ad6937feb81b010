import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { KoaAdapter } from '@bull-board/koa';
import type { Context, Middleware, Next } from 'koa';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { isSame } from './sign-in/secrets.ts';
import type { Throttle } from './throttle.ts';

interface DashboardDeps {
  readonly wakeUps: WakeUps;
  readonly publicUrl: string;
  readonly throttle: Throttle;
  readonly admin: { readonly user: string; readonly password: string };
}

const path = '/admin/queues';
/** The dashboard's own files, and the inline styles that it sets; it asks nobody but this server. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** The queues for the operator's eyes, behind a login. Entries carry references to jobs, never what they post. */
export function createQueueDashboard({ wakeUps, publicUrl, throttle, admin }: DashboardDeps): Middleware {
  const serverAdapter = new KoaAdapter();
  serverAdapter.setBasePath(path);
  createBullBoard({
    queues: Object.values(wakeUps.queues).map((queue) => new BullMQAdapter(queue)),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'post-to-x', hideRedisDetails: true } },
  });
  const board = serverAdapter.registerPlugin();
  return async (ctx: Context, next: Next) => {
    if (ctx.path !== path && !ctx.path.startsWith(`${path}/`)) return await next();
    await checkLogin(ctx, throttle, admin);
    refuseOtherSites(ctx, publicUrl);
    ctx.set('Content-Security-Policy', contentSecurityPolicy);
    ctx.set('Cache-Control', 'no-store');
    await board(ctx, next);
  };
}

/** @throws {ProblemError} unauthorized with a Basic challenge (RFC 7617); too_many_requests */
async function checkLogin(ctx: Context, throttle: Throttle, admin: DashboardDeps['admin']): Promise<void> {
  await throttle.refuseGuesser(ctx);
  const sent = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(ctx.get('authorization'))?.[1];
  const credentials = Buffer.from(sent ?? '', 'base64').toString('utf8');
  if (sent !== undefined && isSame(credentials, `${admin.user}:${admin.password}`)) return;
  if (sent !== undefined) await throttle.countGuess(ctx);
  throw new ProblemError('unauthorized', 'Sign in as ADMIN_USER with ADMIN_PASSWORD.', {
    headers: { 'WWW-Authenticate': 'Basic realm="post-to-x queues", charset="UTF-8"' },
  });
}

/**
 * A browser sends its login along with whatever other sites make it send: what changes something must come from the
 * dashboard itself (Fetch Metadata; `Origin` in browsers without it). A script that is no browser sends neither.
 * @throws {ProblemError} forbidden
 */
function refuseOtherSites(ctx: Context, publicUrl: string): void {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return;
  const site = ctx.get('sec-fetch-site');
  const origin = ctx.get('origin');
  const ours = site === '' ? origin === '' || origin === new URL(publicUrl).origin : site === 'same-origin';
  if (!ours) throw new ProblemError('forbidden', 'This was sent from another site, and was not done.');
}
