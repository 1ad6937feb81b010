import { randomBytes } from 'node:crypto';
import { setTimeout as pass } from 'node:timers/promises';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { WorkerTimings } from '#apps/worker/timings.ts';
import type { SimulatorOptions } from '#apps/x-simulator/settings.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { quickTimings } from '../quick-timings.ts';
import { startRedisServer } from '../redis-server.ts';
import { type Session, startProcess, startSystem, type TestProcess } from '../system.ts';
import { leftoversOf, watchChildren } from './leftovers.ts';
import { brokenPromises } from './promise.ts';

/** X's names of its endpoints, as the simulator logs them. */
export const create = 'POST /2/tweets';
export const timeline = 'GET /2/users/:id/tweets';
export const token = 'POST /2/oauth2/token';
export const initialize = 'POST /2/media/upload/initialize';
export const append = 'POST /2/media/upload/:id/append';
export const finalize = 'POST /2/media/upload/:id/finalize';

export type Rig = Awaited<ReturnType<typeof startRig>>;

/** A post that was asked for, and the marks by which its tweets are known in the simulator's books. */
export interface Asked {
  readonly session: Session;
  readonly jobId: string;
  readonly marks: readonly string[];
}

/** A system whose workers are processes to be killed, on a clock that is short enough to wait for. */
export async function startRig(
  options: {
    environment?: Record<string, string>;
    simulator?: SimulatorOptions;
    /** Workers inside this process. */
    workers?: number;
    timings?: Partial<WorkerTimings>;
    redisDir?: string;
  } = {},
) {
  const users = Array.from({ length: 60 }, (_, index) => ({
    id: String(1_450_000_000_000_000_000n + BigInt(index + 1)),
    username: `user_${index + 1}`,
  }));
  const system = await startSystem({
    workers: options.workers ?? 0,
    ...(options.redisDir === undefined ? {} : { redisDir: options.redisDir }),
    timings: { ...quickTimings, ...options.timings },
    environment: { CONFIRM_AFTER_MS: '2000', ...options.environment },
    simulator: { users, ...options.simulator },
  });
  let lastUser = 0;
  const children = watchChildren();
  const restarted = new AsyncDisposableStack();
  let redis = system.redis;
  let isRedisUp = true;
  const startRedisAgain = async () => {
    redis = restarted.use(await startRedisServer({ dir: system.redis.dir, port: system.redis.port }));
    isRedisUp = true;
  };
  const { simulator } = system;
  return {
    ...system,
    /** A worker in a process of its own. */
    worker: async (environment: Record<string, string> = {}): Promise<TestProcess> => {
      const worker = await startProcess('quick-worker', { ...system.environment, ...environment });
      const kill = (signal: NodeJS.Signals) => {
        children.note(worker.child.pid);
        worker.kill(signal);
      };
      const dispose = async () => {
        children.note(worker.child.pid);
        await worker[Symbol.asyncDispose]();
      };
      return { ...worker, kill, [Symbol.asyncDispose]: dispose };
    },
    killRedis: async () => {
      redis.kill('SIGKILL');
      await redis.ended;
      isRedisUp = false;
    },
    /** Stops Redis' process where it is, or lets it go on. */
    signalRedis: (signal: 'SIGSTOP' | 'SIGCONT') => redis.kill(signal),
    /** On the same port and files. */
    startRedisAgain,
    /** An account that no other test uses. */
    account: (): Promise<Session> => patiently(() => system.connect(users[lastUser++]?.username)),
    /** Requests of an account that reached X. */
    requests: (session: Session, endpoint: string) =>
      simulator.state.requests.all.filter(
        (request) => request.endpoint === endpoint && request.userId === session.account.id,
      ),
    /** What X really holds of an account. */
    tweetsOf: (session: Session) => simulator.state.tweets.existing(session.account.id),
    async [Symbol.asyncDispose]() {
      // A system cannot close in good order without its Redis.
      if (!isRedisUp) await startRedisAgain();
      await system[Symbol.asyncDispose]();
      await restarted.disposeAsync();
      expect(await children.orphans()).toEqual([]);
    },
  };
}

/** On a busy machine the API may say 503: as a caller should, the same is asked again. */
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  for (let turn = 1; ; turn++)
    try {
      return await act();
    } catch (error) {
      if (turn === 20 || !/ 503 /.test(String(error))) throw error;
      await pass(200);
    }
}

/** A word that stands in one post alone. */
export const mark = (): string => `m${randomBytes(6).toString('hex')}`;

/** Asks for a post; `texts` after the first are its thread. */
export async function ask(session: Session, body: object = {}, threadLength = 0): Promise<Asked> {
  const marks = Array.from({ length: threadLength + 1 }, mark);
  const [first = '', ...rest] = marks;
  const thread = rest.length > 0 ? { thread: rest.map((text) => ({ text: `Then ${text}` })) } : {};
  const order = { text: `Post ${first}`, request_id: first, ...thread, ...body };
  const answer = await patiently(async () => {
    const { status, body: job } = await session.request('POST', '/postTweet', order);
    if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(job)}`);
    return { body: job };
  });
  return { session, jobId: answer.body.job_id, marks };
}

/** The job as it is now. */
export const look = async ({ session, jobId }: Asked): Promise<JobView> =>
  (await session.request('GET', `/jobs/${jobId}`)).body;

/** Waits until the job shows what `fits` looks for, following its events. */
export async function until(
  rig: Pick<Rig, 'url'>,
  { session, jobId }: Asked,
  fits: (job: JobView) => boolean,
): Promise<JobView> {
  const answer = await patiently(async () => {
    const headers = { authorization: `Bearer ${session.accessToken}` };
    const events = await fetch(`${rig.url}/jobs/${jobId}/events`, { headers });
    if (!events.ok) throw new Error(`no events: ${events.status} ${await events.text()}`);
    return events;
  });
  let text = '';
  let last: JobView | null = null;
  for await (const bytes of answer.body ?? []) {
    text += Buffer.from(bytes).toString('utf8');
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const [, data] = /^data: (.*)$/m.exec(event) ?? [];
      if (!data) continue;
      last = JSON.parse(data) as JobView;
      // Leaving the loop ends the connection.
      if (fits(last)) return last;
    }
  }
  throw new Error(`The job ended as ${last?.status}: ${last?.message}`);
}

/** Waits for the end of a job, holds it against what X really has, and sees to it that nothing of it is left behind. */
export async function settled(rig: Rig, asked: Asked): Promise<JobView> {
  const job = await asked.session.ended(asked.jobId);
  expect(brokenPromises(job, asked.marks, rig.simulator.state.tweets.all)).toEqual([]);
  await using redis = await connectRedis(rig.redis.url, 'wait');
  const left = await leftoversOf(
    { redis, dataDir: rig.dataDir },
    { job, accountId: asked.session.account.id },
  );
  expect(left).toEqual([]);
  return job;
}

export const onePicture = (background = '#336699'): Promise<Buffer> =>
  sharp({ create: { width: 64, height: 64, channels: 3, background } })
    .png()
    .toBuffer();
