import Router, { type RouterContext } from '@koa/router';
import Koa, { type Context } from 'koa';
import type { Counts } from '#libs/insight/counts.ts';
import type { Tracing } from '#libs/insight/tracing.ts';
import type { Log } from '#libs/log/log.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { AccountAnswers } from './account.ts';
import { identifyCaller, requireScope, withCaller } from './caller.ts';
import { type PagesDeps, pageRoutes } from './home.ts';
import type { JobAnswers } from './jobs.ts';
import { readJsonBody } from './json-body.ts';
import { mcpRoutes } from './mcp.ts';
import type { MediaUploads } from './media.ts';
import { openApiRoutes } from './openapi.ts';
import { type Operation, operationRoutes } from './operate.ts';
import { tellRequests } from './operate-requests.ts';
import { traceRequests } from './operate-traces.ts';
import { wantsPage } from './pages/page.ts';
import type { Doors } from './pages/setup.ts';
import { acceptPost, type PostingDeps } from './post-tweet.ts';
import { answerProblems } from './problem.ts';
import type { Readiness } from './readiness.ts';
import { readListQuery, readResolve, readWaitSeconds } from './requests.ts';
import { securityHeaders } from './security-headers.ts';
import { identifyPage } from './session.ts';
import type { SignIn } from './sign-in/sign-in.ts';
import type { Throttle } from './throttle.ts';
import { validatePost } from './validate-tweet.ts';

export interface AppDeps {
  readonly publicUrl: string;
  readonly log: Log;
  readonly signIn: SignIn;
  readonly posting: PostingDeps;
  readonly jobs: JobAnswers;
  readonly accounts: AccountAnswers;
  readonly media: MediaUploads;
  readonly readiness: Readiness;
  readonly throttle: Throttle;
  readonly operation: Operation;
  readonly counts: Pick<Counts, 'add'>;
  readonly tracing: Tracing;
  /** Proxies in front whose X-Forwarded-For is believed; 0: nobody's. */
  readonly trustedProxies: number;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  /** Which front doors are open. Pages for people are there either way. */
  readonly doors: Doors;
  readonly pages: Pick<
    PagesDeps,
    'sessions' | 'accountStore' | 'history' | 'calls' | 'operator' | 'simulatorUrl'
  >;
}

/** The order of middleware and routes, and nothing else. */
export function createApp(deps: AppDeps): Koa {
  const app = new Koa();
  if (deps.trustedProxies > 0) Object.assign(app, { proxy: true, maxIpsCount: deps.trustedProxies });
  // What escapes the problem middleware is a lost connection, or a bug that has been logged there.
  app.silent = true;
  const { metrics, dashboard } = deps.operation;
  if (deps.tracing.isOn) app.use(traceRequests(deps.tracing));
  app.use(tellRequests({ ...deps, onAnswer: (request) => metrics?.page.observe(request) }));
  app.use(securityHeaders(deps.publicUrl));
  app.use(answerProblems(deps));
  app.use(refusePathTricks);
  // First, because most requests are for these.
  const posting = postingRoutes(deps);
  app.use(posting.routes());
  app.use(operationRoutes({ ...deps, metrics }).routes());
  if (dashboard) app.use(dashboard);
  if (deps.doors.rest) app.use(openApiRoutes(deps.publicUrl).routes());
  app.use(deps.signIn.routes);
  app.use(pageRoutes({ ...deps, ...deps.pages }).routes());
  if (deps.doors.mcp) app.use(mcpRoutes(deps).routes());
  app.use(tellMethods);
  return app;
}

/** Last of all: an address that is there, but not for this method (RFC 9110 section 15.5.6). */
function tellMethods(ctx: RouterContext): void {
  const methods = new Set(ctx.matched?.flatMap((layer) => layer.methods));
  if (methods.size === 0 || methods.has(ctx.method)) return;
  const Allow = [...methods].join(', ');
  if (ctx.method !== 'OPTIONS')
    throw new ProblemError('method_not_allowed', `This address takes ${Allow}.`, { headers: { Allow } });
  ctx.set({ Allow });
  ctx.body = '';
}

/** Paths that two programs could read differently are nobody's: routing and signing-in see only plain ones. */
function refusePathTricks(ctx: Context, next: () => Promise<unknown>): Promise<unknown> {
  // RFC 9112 section 3.2.
  const hosts = ctx.req.headersDistinct.host?.length ?? 0;
  if (hosts > 1 || (hosts === 0 && ctx.req.httpVersion !== '1.0'))
    throw new ProblemError('bad_request', 'The request has no Host header, or several.');
  if (/^\/\/|%2f|%5c|%00|;|\\|\/\.\.?(\/|$)/i.test(ctx.path))
    throw new ProblemError('not_found', 'There is nothing at this address.');
  if (!isDecodable(ctx.path) || !isDecodable(ctx.querystring))
    throw new ProblemError('bad_request', 'The address has a % that is not followed by what it stands for.');
  return next();
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function postingRoutes(deps: AppDeps): Router {
  const { signIn, posting, jobs, accounts, media, publicUrl, throttle } = deps;
  const router = new Router();
  const caller = (ctx: Context) => identifyCaller(ctx, { findCaller: signIn.findCaller, throttle });
  const writer = async (ctx: Context) => requireScope(await caller(ctx), 'tweet.write');
  /** Our own live page has no token: there the browser's session counts too. */
  const follower = async (ctx: Context) =>
    (await identifyPage(ctx, deps.pages.sessions)) ?? (await caller(ctx));

  router.get(
    '/jobs/:jobId/events',
    async (ctx) => await jobs.stream(ctx, await follower(ctx), ctx.params.jobId ?? ''),
  );
  if (!deps.doors.rest) return router;
  router.post('/postTweet', async (ctx) => {
    const keys = ctx.req.headersDistinct['idempotency-key'];
    let body: Promise<unknown> | undefined;
    const accepted = await withCaller(ctx, { ...signIn, throttle }, async (who) => {
      requireScope(who, 'tweet.write');
      body ??= readJsonBody(ctx.req);
      return await acceptPost(posting, who, await body, keys);
    });
    const job = await jobs.settled(ctx, accepted);
    jobs.send(ctx, job, accepted);
    if (jobs.isInWork(job)) {
      ctx.status = 202;
      ctx.set('Location', `${publicUrl}/jobs/${job.id}`);
    }
  });
  router.post('/validateTweet', async (ctx) => {
    ctx.body = await validatePost(posting, await caller(ctx), await readJsonBody(ctx.req));
  });
  router.get('/jobs', async (ctx, next) => {
    ctx.vary('Accept');
    // Browsers go on to the start page.
    if (wantsPage(ctx) && ctx.get('authorization') === '') return await next();
    const who = await caller(ctx);
    ctx.set('Cache-Control', 'no-store');
    ctx.body = await jobs.list(who, readListQuery(ctx.query));
  });
  router.get('/jobs/:jobId', async (ctx, next) => {
    ctx.vary('Accept');
    // Browsers go on to the live page.
    if (wantsPage(ctx)) return await next();
    const wait = { jobId: ctx.params.jobId ?? '', waitSeconds: readWaitSeconds(ctx.query) };
    jobs.send(ctx, await caller(ctx).then((who) => jobs.ownSettled(ctx, who, wait)));
  });
  router.post('/jobs/:jobId/cancel', async (ctx) => {
    jobs.send(ctx, await jobs.cancel(await writer(ctx), ctx.params.jobId ?? ''));
  });
  router.post('/jobs/:jobId/resolve', async (ctx) => {
    const who = await writer(ctx);
    jobs.send(ctx, await jobs.resolve(who, ctx.params.jobId ?? '', readResolve(await readJsonBody(ctx.req))));
  });
  router.post('/media', async (ctx) => {
    ctx.body = await media.receive(ctx, requireScope(await caller(ctx), 'media.write'));
    ctx.status = 201;
  });
  router.get('/me', async (ctx) => {
    ctx.set('Cache-Control', 'no-store');
    ctx.body = await accounts.describe(await caller(ctx));
  });
  router.delete('/me', async (ctx) => {
    ctx.body = await accounts.disconnect(await writer(ctx));
  });
  router.delete('/tweets/:tweetId', async (ctx) => {
    ctx.body = await accounts.deleteTweet(await writer(ctx), ctx.params.tweetId ?? '');
  });
  return router;
}
