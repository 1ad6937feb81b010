import type Router from '@koa/router';
import type { Context } from 'koa';
import type { Job } from '#libs/jobs/job.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { identifyCaller } from './caller.ts';
import type { PagesDeps } from './home.ts';
import { jobPage } from './pages/job-page.ts';
import { sendPage, wantsPage } from './pages/page.ts';
import { timelineOf } from './pages/timeline.ts';
import { callsOf } from './pages/x-calls.ts';
import { readResolve } from './requests.ts';
import { readForm, type Session, toCaller } from './session.ts';
import type { Caller } from './sign-in/sign-in.ts';

/** `/jobs/{id}` in a browser: the live page, and what its buttons do. */
export function addJobPage(router: Router, deps: PagesDeps): void {
  router.get('/jobs/:jobId', (ctx, next) => {
    ctx.vary('Accept');
    return wantsPage(ctx) ? showPage(ctx, deps) : next();
  });
  router.post('/jobs/:jobId', async (ctx) => {
    ctx.state.isPage = true;
    const { session, fields } = await readForm(ctx, deps);
    await act(deps, toCaller(session), ctx.params.jobId ?? '', fields);
    ctx.status = 303;
    ctx.redirect(ctx.path);
  });
}

async function showPage(ctx: Context, deps: PagesDeps): Promise<void> {
  const session = await deps.sessions.find(ctx);
  const caller = session
    ? toCaller(session)
    : await identifyCaller(ctx, { findCaller: deps.signIn.findCaller, throttle: deps.throttle });
  if (session) await deps.throttle.countCaller(caller);
  await show(ctx, deps, { session, caller });
}

async function show(
  ctx: Context,
  { jobs, history, calls, simulatorUrl, publicUrl }: PagesDeps,
  { session, caller }: { session: Session | null; caller: Caller },
): Promise<void> {
  const job = await jobs.ownJob(caller, ctx.params.jobId ?? '');
  const view = jobs.view(job);
  const told = { ...job, posts: jobs.postsOf(job), media: job.media.length };
  sendPage(
    ctx,
    jobPage({
      job: view,
      username: job.username,
      timeline: timelineOf(await history(job.id), told),
      calls: callsOf(await calls(job.id)),
      canCancel: canCancel(job),
      threadGoesOn: job.cursor + 1 < told.posts,
      csrfToken: session?.csrfToken ?? null,
      simulatorUrl,
      connectUrl: `${publicUrl}/startAuth?return_to=${ctx.path}`,
    }),
  );
}

/** As the guards of `cancel` in libs/jobs/moves.ts: they decide, this only spares a button that would be refused. */
function canCancel(job: Job): boolean {
  return ['accepted', 'ready'].includes(job.state) && job.tweets.length === 0;
}

/** What the buttons do. The user names a post by its address, or by the number at its end. */
async function act({ jobs }: PagesDeps, caller: Caller, jobId: string, fields: ReadonlyMap<string, string>) {
  const action = fields.get('action');
  const address = fields.get('tweet')?.trim() ?? '';
  switch (action) {
    case 'cancel':
      return await jobs.cancel(caller, jobId);
    case 'posted': {
      const id = address.split('/status/').at(-1)?.split(/[/?#]/, 1)[0];
      return await jobs.resolve(
        caller,
        jobId,
        readResolve({ outcome: action, ...(id ? { tweet_id: id } : {}) }),
      );
    }
    case 'not_posted':
    case 'resend':
      return await jobs.resolve(caller, jobId, { outcome: action });
    default:
      throw new ProblemError('bad_request', 'The form did not say what to do.');
  }
}
