import { hash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { Context } from 'koa';
import { hasEnded, type Job } from '#libs/jobs/job.ts';
import type { JobChanges, WaitOptions } from '#libs/jobs/job-changes.ts';
import { NewerRecordError } from '#libs/jobs/job-record.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import { type JobView, renderJob } from '#libs/jobs/job-view.ts';
import type { Order } from '#libs/jobs/order.ts';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { UnsealError } from '#libs/sealing/sealing.ts';
import { createJobList } from './job-list.ts';
import { planResolve, wrongTweetId } from './plan-resolve.ts';
import type { UserWord } from './requests.ts';
import type { Caller } from './sign-in/sign-in.ts';

export interface JobsDeps {
  readonly jobs: JobStore;
  readonly changes: JobChanges;
  readonly wakeUps: WakeUps;
  readonly publicUrl: string;
  /** Aborts when the server stops: held answers go out as things stand. */
  readonly stopping: AbortSignal;
  readonly now?: () => number;
}

export interface ViewOptions {
  /** What the job says, where that is known: it needs not be unsealed then. */
  readonly order?: Order | null;
  readonly replayed?: boolean;
  readonly duplicateOfRecent?: boolean;
}

/** How long to wait for the end of a job. */
interface Wait {
  readonly jobId: string;
  /** The job as it was read or written just now, where it was. */
  readonly job?: Job | null;
  readonly waitSeconds: number;
}

const keepAliveMs = 15_000;

export function createJobAnswers(deps: JobsDeps) {
  const now = deps.now ?? Date.now;
  const view = (job: Job, { order, ...repeats }: ViewOptions = {}): JobView =>
    renderJob(job, order ?? shownOrder(job), { publicUrl: deps.publicUrl, now: now(), ...repeats });

  /** The answers that tell of an end: however many wait for it, it is written down once. */
  const ends = new WeakMap<Job, string>();

  /** An order whose key is gone shows no text; everything else of its job is still told. */
  function shownOrder(job: Job): Pick<Order, 'posts'> {
    try {
      return deps.jobs.openOrder(job);
    } catch (error) {
      if (error instanceof UnsealError) return { posts: [{ text: null, media: [], altTexts: [] }] };
      throw error;
    }
  }

  /** null also for one that cannot be read, where it is another account's. @throws NewerRecordError */
  async function find(caller: Caller, jobId: string): Promise<Job | null> {
    try {
      return await deps.jobs.find(jobId);
    } catch (error) {
      if (error instanceof NewerRecordError && error.accountId !== caller.accountId) return null;
      throw error;
    }
  }

  /** The caller's own job. @throws {ProblemError} not_found, also for a job of another account */
  async function ownJob(caller: Caller, jobId: string): Promise<Job> {
    const job = /^[0-9a-f]{32}$/.test(jobId) ? await find(caller, jobId) : null;
    if (!job || job.accountId !== caller.accountId)
      throw new ProblemError(
        'not_found',
        'There is no such job. A job can be read for 48 hours after its end.',
      );
    return job;
  }

  /** The job once it has ended, or as it stands when the time is up, the client has gone or the server stops. */
  function settled(ctx: Context, wait: Wait): Promise<Job> {
    // Not the end of the request: that comes as soon as its body is read.
    return follow(wait, { onGivingUp: (giveUp) => void ctx.res.on('close', giveUp) });
  }

  /** The same of the caller's own job. Throws what `ownJob` throws. */
  function ownSettled(ctx: Context, caller: Caller, { jobId, waitSeconds }: Wait): Promise<Job> {
    // Not `await`: how the job stands now would be kept for as long as the wait for what becomes of it.
    return ownJob(caller, jobId).then((job) =>
      waitSeconds === 0 || hasEnded(job.state) ? job : settled(ctx, { jobId, waitSeconds }),
    );
  }

  /** The same for whoever wants to see the job at each change until then. */
  function follow(
    { jobId, job, waitSeconds }: Wait,
    options: Pick<WaitOptions, 'onGivingUp' | 'onChange'>,
  ): Promise<Job> {
    if (job && waitSeconds === 0) return Promise.resolve(job);
    const wait = { ...options, waitMs: waitSeconds * 1000 };
    return (waitSeconds > 0 ? deps.changes.settled(jobId, wait) : deps.jobs.find(jobId)).then((found) => {
      if (found) return found;
      throw new ProblemError('not_found', 'There is no such job.');
    });
  }

  /** Writes the job object with what RFC 9110 and a poller need around it. */
  function send(ctx: Context, job: Job, options: ViewOptions = {}): void {
    ctx.set('Cache-Control', 'no-store');
    const isPlain = !options.replayed && !options.duplicateOfRecent;
    if (isPlain && hasEnded(job.state)) {
      const body = ends.get(job) ?? JSON.stringify(view(job));
      ends.set(job, body);
      ctx.type = 'json';
      ctx.body = body;
      return;
    }
    const body = view(job, options);
    if (body.next_check_seconds !== null) ctx.set('Retry-After', String(body.next_check_seconds));
    ctx.body = body;
  }

  async function cancel(caller: Caller, jobId: string): Promise<Job> {
    const job = await ownJob(caller, jobId);
    if (job.state !== 'canceled') {
      const moved = await deps.jobs.move(jobId, 'cancel');
      // Not waited for: it is safe, and who waits for the answer need not wait for that.
      if (moved.done) void deps.wakeUps.ended(jobId, job.media.length);
      const after = await ownJob(caller, jobId);
      if (!moved.done && after.state !== 'canceled')
        throw new ProblemError(
          'too_late',
          hasEnded(after.state)
            ? 'This job has already ended.'
            : 'Sending has begun: the post can no longer be stopped.',
        );
      return after;
    }
    return job;
  }

  async function resolve(caller: Caller, jobId: string, word: UserWord): Promise<Job> {
    const job = await ownJob(caller, jobId);
    const posts = deps.jobs.openOrder(job).posts.length;
    const [name, facts] = planResolve(job, word, { posts, now: now() });
    const moved = await deps.jobs.move(jobId, name, facts);
    if (!moved.done && moved.reason === 'claimed') throw wrongTweetId('Must not be the post of another job.');
    if (!moved.done)
      throw new ProblemError(
        'not_unconfirmed',
        'Only a job whose status is unconfirmed can be settled by your word.',
      );
    const after = await ownJob(caller, jobId);
    if (!hasEnded(after.state))
      await deps.wakeUps.again(jobId, { round: `r${job.fence}-${job.cursor}` }).catch(() => {});
    return after;
  }

  /** Server-sent events: the job now and at each change, until its end. */
  async function stream(ctx: Context, caller: Caller, jobId: string): Promise<void> {
    const job = await ownJob(caller, jobId);
    if (hasEnded(job.state) && ctx.get('last-event-id') === String(job.updatedAt)) {
      ctx.status = 204;
      return;
    }
    const out = new PassThrough();
    const gone = new AbortController();
    // Not that of the request: it ends as soon as its body is read.
    ctx.res.once('close', () => gone.abort());
    ctx.set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    ctx.body = out;
    const alive = setInterval(() => out.write(': still here\n\n'), keepAliveMs);
    const follow = async () => {
      // Its digest, not the whole: thousands may follow.
      let told = '';
      for await (const state of deps.changes.watch(jobId, AbortSignal.any([gone.signal, deps.stopping]))) {
        const data = JSON.stringify(view(state));
        const digest = hash('sha1', data);
        // Several moves may be read as one, and some change nothing that is shown.
        if (digest !== told) out.write(`id: ${state.updatedAt}\nevent: job\ndata: ${data}\n\n`);
        told = digest;
      }
    };
    follow()
      .catch(() => {})
      .finally(() => {
        clearInterval(alive);
        out.end();
      });
  }

  return {
    view,
    postsOf: (job: Job) => shownOrder(job).posts.length,
    isInWork: (job: Job) => !hasEnded(job.state),
    ownJob,
    settled,
    ownSettled,
    follow,
    send,
    list: createJobList(deps.jobs, view),
    cancel,
    resolve,
    stream,
  };
}

export type JobAnswers = ReturnType<typeof createJobAnswers>;
