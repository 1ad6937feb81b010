import { setTimeout as pass } from 'node:timers/promises';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type Answer, connect, type Session } from '../../test/system.ts';
import { describePlan, type Plan, postsOf } from './plans.ts';
import type { World } from './world.ts';

/** Somebody who posts for one account, and signs in again whenever that is asked for. */
export type Caller = ReturnType<typeof createCaller>;

export function createCaller(world: World, username: string) {
  let session: Promise<Session> = signIn();

  async function signIn(): Promise<Session> {
    for (let turn = 0; ; turn++)
      try {
        return await connect(world.url, world.simulator, username);
      } catch (error) {
        if (turn > 300) throw error;
        await pass(300);
      }
  }

  /** Asks until there is an answer that is no fault of the moment. */
  async function ask(method: string, path: string, body?: object): Promise<Answer<JobView>> {
    for (let turn = 0; ; turn++) {
      const current = session;
      const answer = await (await current).request(method, path, body).catch(() => null);
      const mayPass =
        answer === null || answer.status === 429 || answer.status >= 500 || isBeingAccepted(answer);
      if (!mayPass && !isSignInNeeded(answer)) return answer;
      if (turn > 300) throw new Error(`${method} ${path}: ${answer?.status} ${JSON.stringify(answer?.body)}`);
      if (answer && isSignInNeeded(answer)) {
        // Many ask at once: the first of them signs in for all.
        if (session === current) session = signIn();
      } else await pass(200);
    }
  }

  /** Uploads a picture to this server, and resolves to its id. */
  async function upload(): Promise<string> {
    let last = 'no answer';
    for (let turn = 0; turn < 300; turn++) {
      const form = new FormData();
      form.set('media', new Blob([world.mediaHost.files.get('/0.png') ?? Buffer.alloc(0)]), 'picture.png');
      const headers = { authorization: `Bearer ${(await session).accessToken}` };
      const answer = await fetch(`${world.url}/media`, { method: 'POST', headers, body: form }).catch(
        () => null,
      );
      const text = (await answer?.text().catch(() => '')) ?? '';
      const kept: unknown = answer?.ok ? parse(text) : null;
      last = answer ? `${answer.status} ${text}` : 'no answer';
      if (typeof kept === 'object' && kept && 'media_id' in kept) return String(kept.media_id);
      // Signs in again where that is what is wrong.
      if (answer && isSignInNeeded({ status: answer.status, body: text })) await ask('GET', '/me');
      await pass(200);
    }
    throw new Error(`no upload was taken: ${last}`);
  }

  return { ask, upload, session: () => session };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isSignInNeeded({ status, body }: { status: number; body?: unknown }): boolean {
  return status === 401 || (status === 403 && JSON.stringify(body ?? '').includes('reconnect'));
}

function isBeingAccepted({ status, body }: Answer<JobView>): boolean {
  return status === 409 && JSON.stringify(body).includes('request_in_progress');
}

/** A post that a caller was told is accepted. */
export interface Wish {
  readonly caller: Caller;
  readonly plan: Plan;
  readonly jobId: string;
  /** What was asked, word for word. */
  readonly body: object;
  /** The words by which its posts are known. */
  readonly marks: readonly string[];
}

/**
 * Asks until it is accepted, as a caller would who was promised that the same key never posts twice. Null: there was
 * no answer until its time had passed.
 */
export async function makeWish(world: World, caller: Caller, plan: Plan, seed: number): Promise<Wish | null> {
  await pass(plan.afterMs);
  const mark = `n${seed}x${plan.number}`;
  const marks = [mark, `${mark}b`, `${mark}c`].slice(0, postsOf(plan));
  const mediaId = plan.kind === 'uploaded' ? await caller.upload() : null;
  const body = { request_id: mark, ...describePlan(world, plan, marks, mediaId) };
  const answers = await Promise.all(
    Array.from({ length: plan.times }, () => caller.ask('POST', '/postTweet', body)),
  );
  const isTooLate = ({ status, body: told }: Answer<JobView>) =>
    status === 422 && JSON.stringify(told).includes('This time has passed');
  if (answers.every(isTooLate)) return null;
  for (const answer of answers)
    if (answer.status !== 200 && answer.status !== 202)
      throw new Error(`${plan.kind} not accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
  const jobIds = new Set(answers.map((answer) => answer.body.job_id));
  if (jobIds.size !== 1) throw new Error(`one key led to several jobs: ${[...jobIds].join(' ')}`);
  const [jobId = ''] = jobIds;
  if (plan.kind.startsWith('canceled')) {
    if (plan.kind === 'canceled late') await pass(plan.cancelAfterMs);
    await caller.ask('POST', `/jobs/${jobId}/cancel`);
  }
  return { caller, plan, jobId, body, marks };
}

/** Follows a job to its end; null when it cannot be read. One that is in doubt is settled by a look at X's books. */
export async function seeThrough(world: World, wish: Wish, giveUp: AbortSignal): Promise<JobView | null> {
  const job = await waitForEnd(wish, giveUp);
  if (job?.status !== 'unconfirmed') return job;
  const missing = wish.marks[job.tweets.length] ?? '';
  const tweet = world.simulator.state.tweets.all.find(({ text }) => text.split(/\s/).includes(missing));
  const outcome = tweet ? 'posted' : wish.plan.whenUnseen;
  const body = { outcome, ...(tweet ? { tweet_id: tweet.id } : {}) };
  // 409: it was found meanwhile.
  await wish.caller.ask('POST', `/jobs/${wish.jobId}/resolve`, body);
  return await waitForEnd(wish, giveUp);
}

async function waitForEnd({ caller, jobId }: Wish, giveUp: AbortSignal): Promise<JobView | null> {
  let last: JobView | null = null;
  while (!giveUp.aborted) {
    const answer = await caller.ask('GET', `/jobs/${jobId}?wait_seconds=5`);
    if (answer.status !== 200) return last;
    last = answer.body;
    if (last.next_check_seconds === null) return last;
  }
  return last;
}
