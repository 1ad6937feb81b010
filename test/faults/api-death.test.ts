import { describe, expect, it } from 'vitest';
import { freePort } from '#apps/start/redis-process.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { startRedisRelay } from '../redis-relay.ts';
import { startProcess } from '../system.ts';
import { ask, create, mark, type Rig, settled, startRig } from './rig.ts';

describe.concurrent('the API killed after it has stored a post and before its answer', () => {
  it('with nobody repeating the request: the post is published all the same', async () => {
    await using rig = await startRig({ workers: 1 });
    const { session, word } = await postToDyingApi(rig);
    await rig.simulator.state.tweets.waitFor((tweet) => tweet.text.includes(word), 30_000);
    const { body: page } = await session.request<{ jobs: { job_id: string }[] }>('GET', '/jobs');
    const jobId = page.jobs[0]?.job_id ?? '';
    expect(await settled(rig, { session, jobId, marks: [word] })).toMatchObject({ status: 'published' });
  });

  it('with the caller repeating it: the same job answers, and there is one post', async () => {
    await using rig = await startRig({ workers: 1 });
    const { session, word, body } = await postToDyingApi(rig);
    const again = await session.request('POST', '/postTweet', body);
    expect(again.body.replayed).toBe(true);
    const job = await settled(rig, { session, jobId: again.body.job_id, marks: [word] });
    expect(job).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

describe.concurrent('the same twice', () => {
  it('a job handed to two workers again and again: each post is made once', async () => {
    await using rig = await startRig({ workers: 2 });
    await using redis = await connectRedis(rig.redis.url, 'wait');
    await using wakeUps = createWakeUps({ redis });
    const sessions = await Promise.all(Array.from({ length: 5 }, () => rig.account()));
    const asked = await Promise.all(
      sessions.flatMap((session) => Array.from({ length: 4 }, () => ask(session, {}, 1))),
    );
    await Promise.all(
      asked.flatMap(({ jobId }) => ['a', 'b', 'c'].map((round) => wakeUps.add(jobId, { round }))),
    );
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
  });

  it('a hundred equal requests at once with one key: one job, one post', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    const word = mark();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        session.request('POST', '/postTweet', { text: `Post ${word}`, request_id: word }),
      ),
    );
    const taken = answers.filter(({ status }) => status === 200 || status === 202);
    expect(answers.filter(({ status }) => ![200, 202, 409, 429, 503].includes(status))).toEqual([]);
    const jobIds = new Set(taken.map(({ body }) => body.job_id));
    expect(jobIds.size).toBe(1);
    expect(taken.filter(({ body }) => !body.replayed)).toHaveLength(1);
    const [jobId = ''] = jobIds;
    expect(await settled(rig, { session, jobId, marks: [word] })).toMatchObject({ status: 'published' });
  });
});

/** Sends a post to an API that dies when Redis has it, and the API does not know yet. */
async function postToDyingApi(rig: Rig) {
  const session = await rig.account();
  await using relay = await startRedisRelay(rig.redis.port);
  const port = await freePort();
  await using api = await startProcess('api', {
    ...rig.environment,
    PORT: String(port),
    // Tokens are those of one deployment, known by its address.
    PUBLIC_URL: `http://localhost:${new URL(rig.url).port}`,
    REDIS_URL: relay.url,
  });
  // Only the script that accepts names this key.
  const killed = relay.once({
    command: 'recent:',
    at: 'reply',
    afterwards: 'lose',
    act: () => api.kill('SIGKILL'),
  });
  const word = mark();
  const body = { text: `Post ${word}`, request_id: word };
  const answer = fetch(`http://127.0.0.1:${port}/postTweet`, {
    method: 'POST',
    headers: { authorization: `Bearer ${session.accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await expect(answer).rejects.toThrow();
  await killed;
  await api.exited;
  return { session, word, body };
}
