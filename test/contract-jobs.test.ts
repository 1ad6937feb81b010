import { setTimeout as pass } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '#apps/worker/start-worker.ts';
import { answer } from '#apps/x-simulator/fault.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { validatingFetch } from './openapi-fetch.ts';
import { quickTimings } from './quick-timings.ts';
import { type Session, type System, startSystem } from './system.ts';

interface Page {
  readonly jobs: readonly Pick<JobView, 'job_id' | 'status' | 'message'>[];
  readonly next_cursor: string | null;
}
interface Me {
  readonly limits: { readonly open_jobs: { readonly used: number } };
}
interface Problem {
  readonly code: string;
  readonly errors?: readonly { readonly field: string }[];
}

const create = 'POST /2/tweets';
const tooMany = { title: 'Too Many Requests', detail: 'Too Many Requests', type: 'about:blank', status: 429 };
let system: System;
beforeAll(async () => {
  system = await startSystem({
    timings: quickTimings,
    environment: { RESEND_POLICY: 'never', CONFIRM_AFTER_MS: '500' },
  });
});
afterAll(() => system[Symbol.asyncDispose]());

const tweetsOf = (session: Session) => system.simulator.state.tweets.existing(session.account.id);
const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();
const accept = async (session: Session, body: object): Promise<JobView> =>
  (await session.request('POST', '/postTweet', body)).body;

describe('a job whose outcome nobody knows', () => {
  /** X neither creates the post nor says so. */
  async function unconfirmed(session: Session, text: string): Promise<string> {
    system.simulator.faults.next(create, answer(500));
    const job = await session.post({ text });
    expect(job).toMatchObject({
      status: 'unconfirmed',
      next_check_seconds: null,
      error: { action_required: 'check_x' },
    });
    return job.job_id;
  }
  const resolve = (session: Session, jobId: string, outcome: string) =>
    session.request<JobView & Problem>('POST', `/jobs/${jobId}/resolve`, { outcome });

  it('is published when its user says that the post is there', async () => {
    const session = await system.connect('sandbox_ada');
    const jobId = await unconfirmed(session, 'It is there');
    const settled = await resolve(session, jobId, 'posted');
    expect(settled.status).toBe(200);
    expect(settled.body).toMatchObject({ status: 'published', tweet_id: null, tweet_url: null, error: null });
    expect(await resolve(session, jobId, 'resend')).toMatchObject({
      status: 409,
      body: { code: 'not_unconfirmed' },
    });
    expect(tweetsOf(session)).toEqual([]);
  });

  it('has failed when its user says that it is not', async () => {
    const session = await system.connect('sandbox_ada');
    const settled = await resolve(session, await unconfirmed(session, 'It is not'), 'not_posted');
    expect(settled.body.error).toMatchObject({
      title: 'X did not answer, or not clearly',
      detail: 'X gave no clear answer when it was sent, and you said that X does not have the post.',
      action_required: 'none',
    });
    expect(settled.body).toMatchObject({ status: 'failed', tweets: [] });
    expect(settled.body.message).toContain('Nothing was posted.');
  });

  it('is sent again when its user wants that, once', async () => {
    const session = await system.connect('sandbox_ada');
    const jobId = await unconfirmed(session, 'Send it again');
    const again = await resolve(session, jobId, 'resend');
    expect(again.status).toBe(200);
    expect(await session.ended(jobId)).toMatchObject({ status: 'published', attempts: 2 });
    expect(tweetsOf(session).map(({ text }) => text)).toEqual(['Send it again']);
  });

  it('is not settled by another word, nor by another account', async () => {
    const ada = await system.connect('sandbox_ada');
    const ben = await system.connect('sandbox_ben');
    const jobId = await unconfirmed(ada, 'Of Ada');
    expect(await resolve(ada, jobId, 'perhaps')).toMatchObject({
      status: 400,
      body: { code: 'bad_request', errors: [{ field: 'outcome' }] },
    });
    const word = (body: unknown) => ada.request<Problem>('POST', `/jobs/${jobId}/resolve`, body);
    const both = await word({ outcome: 'perhaps', foo: 1, tweet_id: null });
    expect(both.body.errors).toEqual([
      { field: 'outcome', message: 'Must be posted, not_posted or resend.' },
      { field: 'foo', message: 'There is no such field.' },
    ]);
    expect((await word([])).body.errors).toEqual([{ field: 'body', message: 'Must be a JSON object.' }]);
    expect(await resolve(ben, jobId, 'posted')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await ada.request('GET', `/jobs/${jobId}`)).body.status).toBe('unconfirmed');
  });
});

describe('a job in a state that only a later version knows', () => {
  it('is not there for others, and for its account until that version answers; the list leaves it out', async () => {
    await using redis = await connectRedis(system.redis.url, 'wait');
    const [ada, ben] = [await system.connect('sandbox_ada'), await system.connect('sandbox_ben')];
    const order = { text: 'Of tomorrow', publish_at: tomorrow(), request_id: 'of tomorrow' };
    const { job_id } = await accept(ada, order);
    await redis.hset(`job:${job_id}`, { state: 'dreaming' });
    const later = {
      status: 503,
      body: { code: 'unavailable', detail: expect.stringContaining('newer version') },
    };
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '?wait_seconds=1'],
      ['GET', '/events'],
      ['POST', '/cancel'],
    ] as const) {
      expect(await ada.request(method, `/jobs/${job_id}${path}`), path).toMatchObject(later);
      expect((await ben.request(method, `/jobs/${job_id}${path}`)).status, path).toBe(404);
    }
    expect(await ada.request('POST', '/postTweet', order)).toMatchObject(later);
    const { body } = await ada.request<Page>('GET', '/jobs');
    expect(body.jobs.map((job) => job.job_id)).not.toContain(job_id);
    await redis.hset(`job:${job_id}`, { state: 'accepted' });
    expect((await ada.request('POST', `/jobs/${job_id}/cancel`)).body.status).toBe('canceled');
  });
});

describe('GET /jobs', () => {
  const list = async (session: Session, query: Record<string, string> = {}): Promise<Page> =>
    (await session.request<Page>('GET', `/jobs?${new URLSearchParams(query)}`)).body;

  async function everyPage(session: Session, query: Record<string, string>, between = async () => {}) {
    const pages: Page[] = [await list(session, query)];
    for (let cursor = pages[0]?.next_cursor; cursor; cursor = pages.at(-1)?.next_cursor) {
      await between();
      pages.push(await list(session, { ...query, cursor }));
    }
    return pages;
  }

  it('shows every job of the account once, newest first, while more come in', async () => {
    const session = await system.connect('sandbox_ben');
    const ids: string[] = [];
    for (let count = 0; count < 9; count++)
      ids.unshift((await accept(session, { text: `Entry ${count}`, publish_at: tomorrow() })).job_id);
    const pages = await everyPage(session, { limit: '3' }, async () => {
      await accept(session, { text: `Later ${Math.random()}`, publish_at: tomorrow() });
    });
    // The last full page says that there is no other.
    expect(pages.map(({ jobs }) => jobs.length)).toEqual([3, 3, 3]);
    expect(pages.flatMap(({ jobs }) => jobs.map(({ job_id }) => job_id))).toEqual(ids);

    for (const jobId of ids.slice(0, 4)) await session.request('POST', `/jobs/${jobId}/cancel`);
    const canceled = await everyPage(session, { limit: '1', status: 'canceled' });
    expect(canceled.flatMap(({ jobs }) => jobs)).toMatchObject(
      ids.slice(0, 4).map((job_id) => ({ job_id, status: 'canceled' })),
    );
    expect((await list(session, { status: 'published' })).jobs).toEqual([]);
    // Fields that a form leaves empty, which openapi.yaml does not have.
    const authorization = `Bearer ${session.accessToken}`;
    const empty = await fetch(`${system.url}/jobs?status=&limit=&cursor=`, { headers: { authorization } });
    expect(empty.status).toBe(200);
    const other = await system.connect('sandbox_cleo');
    expect(await list(other)).toEqual({ jobs: [], next_cursor: null });
  });

  it('names a wrong parameter', async () => {
    const session = await system.connect('sandbox_cleo');
    for (const [query, field] of [
      ['status=done', 'status'],
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['cursor=x', 'cursor'],
    ]) {
      const refused = await session.request<Problem>('GET', `/jobs?${query}`);
      expect([query, refused.status, refused.body.errors?.map((error) => error.field)]).toEqual([
        query,
        400,
        [field],
      ]);
    }
    const job = await accept(session, { text: 'Looked at', publish_at: tomorrow() });
    for (const wait of ['41', '-1', '1.5', 'x', ''])
      expect(await session.request<Problem>('GET', `/jobs/${job.job_id}?wait_seconds=${wait}`)).toMatchObject(
        { status: 400, body: { errors: [{ field: 'wait_seconds' }] } },
      );
    const { status, body } = await session.request<Problem>('GET', '/jobs?status=done&limit=x');
    expect([status, body.errors?.length]).toEqual([400, 2]);
  });
});

describe('GET /jobs/{job_id}/events', () => {
  interface Stream {
    readonly status: number;
    readonly events: { id: string; job: JobView }[];
    /** Resolves when the server ends the stream. */
    readonly ended: Promise<void>;
  }

  async function follow(session: Session, jobId: string, lastEventId?: string): Promise<Stream> {
    const answered = await validatingFetch(system.url)(`/jobs/${jobId}/events`, {
      headers: {
        authorization: `Bearer ${session.accessToken}`,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    });
    const events: Stream['events'] = [];
    const read = async () => {
      let pending = '';
      for await (const chunk of answered.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const blocks = (pending + chunk).split('\n\n');
        pending = blocks.pop() ?? '';
        for (const block of blocks) {
          const [, id = '', data = ''] = /^id: (.*)\nevent: job\ndata: (.*)$/.exec(block) ?? [];
          if (data) events.push({ id, job: JSON.parse(data) as JobView });
        }
      }
    };
    return { status: answered.status, events, ended: read() };
  }

  it('tell each change and end with the end; who has seen the end is told that there is nothing more', async () => {
    const session = await system.connect('sandbox_ada');
    const { job_id } = await accept(session, {
      text: 'Followed',
      publish_at: new Date(Date.now() + 2000).toISOString(),
    });
    const stream = await follow(session, job_id);
    await stream.ended;
    const statuses = stream.events.map(({ job }) => job.status);
    expect([statuses[0], statuses.at(-1)]).toEqual(['scheduled', 'published']);
    expect(stream.events.every(({ job }) => job.job_id === job_id)).toBe(true);
    const last = stream.events.at(-1);
    expect(last?.job.tweet_url).toContain('/status/');
    const again = await follow(session, job_id, last?.id);
    expect([again.status, again.events]).toEqual([204, []]);
    const late = await follow(session, job_id, stream.events[0]?.id);
    await late.ended;
    expect(late.events.map(({ job }) => job.status)).toEqual(['published']);
  });

  it('tell a change once, however often it is announced', async () => {
    await using redis = await connectRedis(system.redis.url, 'wait');
    const session = await system.connect('sandbox_ada');
    const { job_id } = await accept(session, { text: 'Announced often', publish_at: tomorrow() });
    const stream = await follow(session, job_id);
    await expect.poll(() => stream.events.length).toBe(1);
    const readsOf = async () => /cmdstat_hgetall:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
    for (let announced = 0; announced < 3; announced++) {
      const before = await readsOf();
      await redis.publish('jobs:changed', job_id);
      await expect.poll(readsOf).not.toBe(before);
    }
    await session.request('POST', `/jobs/${job_id}/cancel`);
    await stream.ended;
    expect(stream.events.map(({ job }) => job.status)).toEqual(['scheduled', 'canceled']);
  });

  it('are for the own account alone', async () => {
    const { job_id } = await accept(await system.connect('sandbox_ada'), {
      text: 'Private',
      publish_at: tomorrow(),
    });
    const stream = await follow(await system.connect('sandbox_ben'), job_id);
    await stream.ended;
    expect([stream.status, stream.events]).toEqual([404, []]);
  });
});

describe('expires_at', () => {
  it('that comes before X lets the post pass ends the job then, and makes room for others', async () => {
    const session = await system.connect('sandbox_cleo');
    const resetAt = Math.ceil(Date.now() / 1000) + 3600;
    const limit = { 'x-rate-limit-limit': '100', 'x-rate-limit-remaining': '0' };
    const headers = { ...limit, 'x-rate-limit-reset': String(resetAt) };
    system.simulator.faults.next(create, answer(429, tooMany, headers));
    const openJobs = async () => (await session.request<Me>('GET', '/me')).body.limits.open_jobs.used;
    const before = await openJobs();
    const expires_at = new Date(Date.now() + 2500).toISOString();
    const { job_id } = await accept(session, { text: 'Not that late', expires_at });
    const job = await session.ended(job_id);
    expect(job).toMatchObject({ status: 'failed', retry_at: null, error: { code: 'expired' } });
    expect(Date.parse(job.updated_at)).toBeGreaterThanOrEqual(Date.parse(expires_at));
    expect(tweetsOf(session).map(({ text }) => text)).not.toContain('Not that late');
    expect(await openJobs()).toBe(before);
  });

  it('that passes while no worker comes ends the job, and nothing is posted', async () => {
    await using idle = await startSystem({ workers: 0 });
    const session = await idle.connect();
    const expires_at = new Date(Date.now() + 3000).toISOString();
    const job = await accept(session, { text: 'Only now', expires_at });
    const inTime = await accept(session, { text: 'Any time' });
    await pass(Date.parse(expires_at) - Date.now() + 50);
    await using _worker = await startWorker(idle.config, idle.log, quickTimings);
    expect(await session.ended(job.job_id)).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: { code: 'expired' },
    });
    expect((await session.ended(inTime.job_id)).status).toBe('published');
    expect(idle.simulator.state.tweets.existing(session.account.id).map(({ text }) => text)).toEqual([
      'Any time',
    ]);
  });
});
