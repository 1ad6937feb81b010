import { Agent, get, type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { type Session, type System, startSystem } from './system.ts';

const clients = 1000;
let system: System;
let redis: RedisConnection;
let session: Session;
const agent = new Agent({ keepAlive: false });
beforeAll(async () => {
  system = await startSystem({ workers: 0, environment: { REQUESTS_PER_MINUTE: '1000000' } });
  redis = await connectRedis(system.redis.url, 'wait');
  session = await system.connect();
});
afterAll(async () => {
  agent.destroy();
  await redis[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

/** How often a command was called so far. */
async function calls(command: string): Promise<number> {
  const info = await redis.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
}

const ask = (path: string) =>
  new Promise<IncomingMessage>((resolve, reject) =>
    get(
      system.url + path,
      { agent, headers: { authorization: `Bearer ${session.accessToken}` } },
      resolve,
    ).on('error', reject),
  );
const textOf = async (answer: IncomingMessage) => (await answer.setEncoding('utf8').toArray()).join('');

it('a client that hangs up while it waits for its post is no longer worked for', async () => {
  const body = JSON.stringify({
    text: 'Nobody waits',
    publish_at: new Date(Date.now() + 3_600_000).toISOString(),
    wait_seconds: 40,
  });
  const client = request(`${system.url}/postTweet`, {
    method: 'POST',
    agent,
    headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
  }).on('error', () => {});
  client.end(body);
  const listed = async () =>
    (await session.request<{ jobs: { job_id: string }[] }>('GET', '/jobs')).body.jobs[0]?.job_id;
  await expect.poll(listed).toBeDefined();
  const jobId = (await listed()) ?? '';
  const readsOf = async () => {
    const before = await calls('hgetall');
    await redis.publish('jobs:changed', jobId);
    // Messages arrive in order: once a call that came later is answered, this one has been heard.
    await session.request('GET', '/healthz');
    return (await calls('hgetall')) - before;
  };
  await expect.poll(readsOf).toBe(1);
  client.destroy();
  await expect.poll(readsOf).toBe(0);
});

it(`${clients} clients that wait for one job share one subscription, and one read of each change`, async () => {
  const scheduled = { text: 'Awaited', publish_at: new Date(Date.now() + 3_600_000).toISOString() };
  const { body: job } = await session.request('POST', '/postTweet', scheduled);
  const path = `/jobs/${job.job_id}`;
  const before = await calls('hgetall');
  const polls = Array.from({ length: clients / 2 }, () => ask(`${path}?wait_seconds=40`));
  const streams = await Promise.all(Array.from({ length: clients / 2 }, () => ask(`${path}/events`)));
  const seen = streams.map(() => 0);
  for (const [index, stream] of streams.entries())
    stream.setEncoding('utf8').on('data', (text: string) => {
      seen[index] = (seen[index] ?? 0) + text.split('event: job').length - 1;
    });
  // Each call looks at its own job once before it waits.
  await expect.poll(() => calls('hgetall')).toBeGreaterThanOrEqual(before + clients);
  const everyStreamSaw = (events: number) =>
    expect.poll(() => Math.min(...seen)).toBeGreaterThanOrEqual(events);
  await everyStreamSaw(1);
  await settled();

  expect(await redis.pubsub('NUMSUB', 'jobs:changed')).toEqual(['jobs:changed', 1]);
  const quiet = await commandsCalled();
  for (let change = 1; change <= 3; change++) {
    const reads = await calls('hgetall');
    await redis.hincrby(`job:${job.job_id}`, 'updated_at', 1);
    await redis.publish('jobs:changed', job.job_id);
    await everyStreamSaw(1 + change);
    expect((await calls('hgetall')) - reads).toBe(1);
  }
  // Nobody asks Redis again and again in between: what is left are this test's own commands.
  const asked = await commandsCalled();
  expect(asked.hgetall - quiet.hgetall).toBe(3);
  expect(asked.others - quiet.others).toBeLessThan(50);

  const ends = Promise.all([
    ...endedStreams(),
    ...polls.map(async (poll) => JSON.parse(await textOf(await poll)) as JobView),
  ]);
  const reads = await calls('hgetall');
  expect((await session.request('POST', `${path}/cancel`)).body.status).toBe('canceled');
  const answers = (await ends).filter((answer) => answer !== null);
  expect(answers).toHaveLength(clients / 2);
  expect(answers.every(({ status }) => status === 'canceled')).toBe(true);
  // The cancelling call reads for itself, too.
  expect((await calls('hgetall')) - reads).toBeLessThan(10);

  function endedStreams() {
    return streams.map((stream) => new Promise<null>((resolve) => stream.once('end', () => resolve(null))));
  }

  async function commandsCalled() {
    const info = await redis.info('commandstats');
    const all = [...info.matchAll(/cmdstat_[^:]+:calls=(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
    const hgetall = await calls('hgetall');
    return { hgetall, others: all - hgetall };
  }

  /** Nothing more is read. */
  async function settled(): Promise<void> {
    let last = -1;
    await expect
      .poll(
        async () => {
          const now = await calls('hgetall');
          const same = now === last;
          last = now;
          return same;
        },
        { interval: 300, timeout: 30_000 },
      )
      .toBe(true);
  }
});
