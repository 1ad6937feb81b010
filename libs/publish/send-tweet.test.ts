import { afterAll, beforeAll, expect, it } from 'vitest';
import { openWorkerByHand, type WorkerByHand } from '../../test/run-by-run.ts';
import { type System, startSystem } from '../../test/system.ts';
import { runTweet } from './run-tweet.ts';

let system: System;
let worker: WorkerByHand;
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  worker = await openWorkerByHand(system);
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

it('a worker that may not act leaves the post as it is, however often it is woken, and blames nobody', async () => {
  const session = await system.connect();
  const { body } = await session.request('POST', '/postTweet', { text: 'Patience' });
  for (let run = 0; run < 13; run++) {
    const wakeAt = await worker.run(body.job_id, { mayAct: false });
    expect(wakeAt).toBeGreaterThan(Date.now());
  }
  const job = await session.request('GET', `/jobs/${body.job_id}`);
  expect(job.body).toMatchObject({ status: 'processing', stage: 'posting', attempts: 0, error: null });
  expect(system.simulator.state.requests.all.some(({ path }) => path === '/2/tweets')).toBe(false);
  expect(await worker.run(body.job_id)).toBeNull();
  expect(await session.ended(body.job_id)).toMatchObject({ status: 'published', attempts: 1 });
});

it('a worker that loses the right to act once the intent is written sends nothing, and X is not to blame', async () => {
  const session = await system.connect('sandbox_ben');
  const { body } = await session.request('POST', '/postTweet', { text: 'Second thoughts' });
  // It may as long as nothing is written.
  const { deps, redis } = worker;
  for (let run = 0; run < 13; run++) {
    let asked = 0;
    const context = { signal: new AbortController().signal, mayAct: () => asked++ === 0 };
    await redis.hset(`job:${body.job_id}`, 'started_at', 0);
    expect(await runTweet(deps, body.job_id, context)).toBeGreaterThan(Date.now());
  }
  expect(await deps.jobs.find(body.job_id)).toMatchObject({
    state: 'ready',
    fence: 13,
    failures: 0,
    failingSince: null,
    notBefore: null,
    waitReason: null,
    openAttempts: 0,
  });
  expect(await worker.run(body.job_id)).toBeNull();
  expect((await session.ended(body.job_id)).status).toBe('published');
  expect(system.simulator.state.tweets.visible(session.account.id)).toHaveLength(1);
});
