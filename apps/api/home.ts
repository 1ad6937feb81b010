import { randomUUID } from 'node:crypto';
import Router from '@koa/router';
import type { Context } from 'koa';
import type { AccountStore } from '#libs/accounts/account-store.ts';
import type { JobCall } from '#libs/jobs/job-calls.ts';
import type { HistoryEntry } from '#libs/jobs/job-history.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { AccountAnswers } from './account.ts';
import { addJobPage } from './job-page.ts';
import type { JobAnswers } from './jobs.ts';
import type { FormFields, MediaUploads } from './media.ts';
import { type Draft, type HomeView, homePage } from './pages/home-page.ts';
import { sendPage, wantsPage } from './pages/page.ts';
import { type Operator, privacyPage } from './pages/privacy-page.ts';
import { problemPage, problemsPage } from './pages/problem-pages.ts';
import type { Doors } from './pages/setup.ts';
import { acceptPost, type PostingDeps } from './post-tweet.ts';
import {
  checkCsrfToken,
  readForm,
  refuseOtherSites,
  requireSession,
  type Sessions,
  toCaller,
} from './session.ts';
import type { SignIn } from './sign-in/sign-in.ts';
import type { Throttle } from './throttle.ts';

export interface PagesDeps {
  readonly publicUrl: string;
  readonly sessions: Sessions;
  readonly signIn: SignIn;
  readonly throttle: Throttle;
  readonly jobs: JobAnswers;
  readonly posting: PostingDeps;
  readonly media: MediaUploads;
  readonly accounts: AccountAnswers;
  readonly accountStore: AccountStore;
  readonly history: (jobId: string) => Promise<HistoryEntry[]>;
  readonly calls: (jobId: string) => Promise<JobCall[]>;
  readonly doors: Doors;
  readonly operator: Operator;
  /** The simulated X of a sandbox, as browsers reach it; null where X is the real one. */
  readonly simulatorUrl: string | null;
}

const recentJobs = 10;

/** The pages for people. Browsers are known by their session here; the JSON API never looks at it. */
export function pageRoutes(deps: PagesDeps): Router {
  const router = new Router();
  router.get('/', async (ctx) => await showHome(ctx, deps, emptyDraft(), null));
  router.post('/', async (ctx) => await post(ctx, deps));
  // Where the recent jobs of whoever is signed in are.
  router.get('/jobs', (ctx, next) => (wantsPage(ctx) ? goHome(ctx) : next()));
  router.post('/sign-out', async (ctx) => {
    ctx.state.isPage = true;
    await readForm(ctx, deps);
    await deps.sessions.end(ctx);
    goHome(ctx);
  });
  router.post('/disconnect', async (ctx) => {
    ctx.state.isPage = true;
    const { session } = await readForm(ctx, deps);
    await deps.accounts.disconnect(toCaller(session));
    await deps.sessions.end(ctx);
    goHome(ctx);
  });
  router.get('/privacy', (ctx) => sendPage(ctx, privacyPage(deps.operator)));
  router.get('/problems', (ctx) => sendPage(ctx, problemsPage(deps.publicUrl)));
  router.get('/problems/:code', (ctx) => sendPage(ctx, problemPage(ctx.params.code ?? '')));
  addJobPage(router, deps);
  return router;
}

const emptyDraft = (): Draft => ({ text: '', mediaUrl: '', altText: '', requestId: randomUUID() });

function goHome(ctx: Context): void {
  ctx.status = 303;
  ctx.redirect('/');
}

async function showHome(ctx: Context, deps: PagesDeps, draft: Draft, refusal: HomeView['refusal']) {
  const session = await deps.sessions.find(ctx);
  // Whoever disconnected elsewhere is a stranger here too, whatever the cookie says.
  const account = session && (await deps.accountStore.find(session.accountId));
  const { publicUrl, simulatorUrl, doors } = deps;
  if (!session || !account)
    return sendPage(ctx, homePage({ publicUrl, simulatorUrl, doors, account: null, draft, refusal }));
  const { jobs } = await deps.jobs.list(toCaller(session), { limit: recentJobs });
  const { username, name } = account;
  const shown = {
    username,
    name,
    connected: account.state === 'connected',
    csrfToken: session.csrfToken,
    jobs,
  };
  sendPage(ctx, homePage({ publicUrl, simulatorUrl, doors, account: shown, draft, refusal }));
}

/** The form for a post: accepted as every other order, then its page is shown; refused, it comes back as it was. */
async function post(ctx: Context, deps: PagesDeps): Promise<void> {
  ctx.state.isPage = true;
  refuseOtherSites(ctx, deps.publicUrl);
  const session = await requireSession(ctx, deps.sessions);
  await deps.throttle.countCaller(toCaller(session));
  let fields: FormFields = {};
  try {
    const form = await deps.media.receiveForm(ctx, session.accountId, (sent) => {
      fields = sent;
      checkCsrfToken(session, sent.csrf_token);
    });
    const order = toRequest(fields, form.file?.media_id ?? null);
    const { jobId } = await acceptPost(deps.posting, toCaller(session), order);
    ctx.status = 303;
    ctx.redirect(`/jobs/${jobId}`);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code === 'forbidden') throw error;
    const { status, title } = error.kind;
    const text = error.code === 'idempotency_key_reused' ? sentBefore : `${title}: ${error.detail}`;
    await showHome(ctx, deps, toDraft(fields), { status, text, errors: error.errors ?? [] });
  }
}

const sentBefore =
  'This form was sent before, with other content: see the recent posts. To post once more, send it again.';

/** The form's fields as the body of `POST /postTweet`. */
function toRequest(fields: FormFields, mediaId: string | null) {
  const { text = '', media_url: mediaUrl = '', alt_text: altText = '', request_id: requestId = '' } = fields;
  return {
    // Browsers send the line breaks of a form as CRLF; on X that would be two.
    ...(text.trim() === '' ? {} : { text: text.replaceAll('\r\n', '\n') }),
    ...(mediaUrl.trim() === '' ? {} : { media_url: mediaUrl.trim() }),
    ...(mediaId === null ? {} : { media_ids: [mediaId] }),
    ...(altText.trim() === '' ? {} : { alt_texts: [altText.trim()] }),
    ...(requestId === '' ? {} : { request_id: requestId }),
  };
}

function toDraft(fields: FormFields): Draft {
  return {
    text: fields.text ?? '',
    mediaUrl: fields.media_url ?? '',
    altText: fields.alt_text ?? '',
    requestId: randomUUID(),
  };
}
