import { describe, expect, it } from 'vitest';
import {
  actThenAnswer,
  answer,
  at,
  type Fault,
  outOfCredits,
  rateLimited,
  spoil,
} from '#apps/x-simulator/fault.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { eventually } from '../eventually.ts';
import { ask, create, look, type Rig, settled, startRig, timeline, token, until } from './rig.ts';
import { startGate } from './tcp-gate.ts';

const confirmAfterMs = 2000;
const startX = (environment: Record<string, string> = {}) => startRig({ workers: 1, environment });

describe.concurrent('X answers a post with 500', () => {
  it('without creating it: looked for at least twice, then sent once more, not before it is surely absent', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.faults.next(create, answer(500));
    // The wait begins with the intent, which is stored before X receives anything, however long that takes.
    const askedAt = Date.now();
    const asked = await ask(session);
    expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 2 });
    const [first, second, ...more] = rig.requests(session, create);
    expect(more).toEqual([]);
    expect(second?.receivedAt).toBeGreaterThanOrEqual(askedAt + confirmAfterMs);
    const reads = rig
      .requests(session, timeline)
      .filter((read) => read.number > (first?.number ?? 0) && read.number < (second?.number ?? 0));
    expect(reads.length).toBeGreaterThanOrEqual(2);
  });

  it.each([500, 502, 503, 504, 408])(
    'having created it (%i): not sent again, its id is found by reading',
    async (status) => {
      await using rig = await startX();
      const session = await rig.account();
      rig.simulator.faults.next(create, actThenAnswer(status));
      const job = await settled(rig, await ask(session));
      expect(job).toMatchObject({ status: 'published', attempts: 1, tweet_id: rig.tweetsOf(session)[0]?.id });
      expect(rig.requests(session, create)).toHaveLength(1);
    },
  );

  it('creating nothing, and a limit holds back what is sent once more: it can be canceled until then', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.faults.next(create, answer(500));
    rig.simulator.faults.nth(create, 2, rateLimited(600));
    const asked = await ask(session);
    await until(rig, asked, (job) => job.status === 'waiting');
    const canceled = await session.request('POST', `/jobs/${asked.jobId}/cancel`);
    expect(canceled).toMatchObject({ status: 200, body: { status: 'canceled', attempts: 2 } });
    expect((await settled(rig, asked)).message).toContain('did not show it');
    expect(rig.tweetsOf(session)).toEqual([]);
  });

  it('twice, creating nothing: not sent a third time, the job ends unconfirmed and its user decides', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.faults.add(create, answer(500), { times: 2 });
    const asked = await ask(session);
    expect(await settled(rig, asked)).toMatchObject({ status: 'unconfirmed', attempts: 2 });
    const resent = await session.request('POST', `/jobs/${asked.jobId}/resolve`, { outcome: 'resend' });
    expect(resent.status).toBe(200);
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(3);
  });

  it('creating nothing, under RESEND_POLICY=never: never sent again, the job ends unconfirmed', async () => {
    await using rig = await startX({ RESEND_POLICY: 'never' });
    const session = await rig.account();
    rig.simulator.faults.next(create, answer(500));
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'unconfirmed', attempts: 1 });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

describe.concurrent('X takes a post and says nothing', () => {
  it('having created it: not sent again, its id is found by reading', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const hold = rig.simulator.faults.hold(create, 'committed');
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id });
    hold.release();
    expect(rig.requests(session, create)).toHaveLength(1);
  });

  it('without creating it: sent once more', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const hold = rig.simulator.faults.hold(create, 'read', {}, { cut: 'read' });
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', attempts: 2 });
    hold.release();
  });

  it('a caller that waits for the job is answered within its wait', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const hold = rig.simulator.faults.hold(create, 'committed');
    const begun = performance.now();
    const { status, body } = await session.request('POST', '/postTweet', { text: 'Hello', wait_seconds: 1 });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(status).toBe(202);
    expect(body.status).toBe('processing');
    hold.release();
  });
});

describe.concurrent('X cannot be reached', () => {
  it('and so nothing was sent: the post waits without reads, and goes out once when X is back', async () => {
    await using rig = await startX();
    await using gate = await startGate(rig.simulator.url);
    await using _worker = await rig.worker({ X_API_URL: gate.url });
    await rig.workers[0]?.[Symbol.asyncDispose]();
    const session = await rig.account();
    await gate.close();
    const asked = await ask(session);
    await until(rig, asked, (job) => job.status === 'waiting' && job.attempts >= 2);
    expect(rig.requests(session, create)).toHaveLength(0);
    await gate.open();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(1);
    expect(rig.requests(session, timeline)).toHaveLength(0);
  });

  it.each([
    ['its name is not known', () => 'http://nowhere.invalid'],
    ['it does not prove who it is', ({ simulator }: Rig) => simulator.url.replace('http:', 'https:')],
  ])('because %s: nothing was sent, and it goes out once by a worker that finds X', async (_, wrongUrl) => {
    await using rig = await startRig();
    const session = await rig.account();
    const lost = await rig.worker({ X_API_URL: wrongUrl(rig) });
    const asked = await ask(session);
    await until(rig, asked, (job) => job.status === 'waiting' && job.attempts >= 1);
    lost.kill('SIGTERM');
    await lost.exited;
    await using _right = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, create)).toHaveLength(1);
    expect(rig.requests(session, timeline)).toHaveLength(0);
  });
});

describe.concurrent('X creates a post and spoils the answer', () => {
  const html: Fault = actThenAnswer(201, '<html>Created</html>', { 'content-type': 'text/html' });
  it.each([
    ['truncated', spoil('truncated')],
    ['of half a JSON', spoil('half-json')],
    ['shorter than announced', spoil('wrong-length')],
    ['empty', spoil('empty')],
    ['garbage', spoil('garbage')],
    ['a page', html],
    ['without an id', actThenAnswer(201, { data: {} })],
  ])('(%s): not sent again, its id is found by reading', async (_, fault) => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.faults.next(create, fault);
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id });
    expect(rig.requests(session, create)).toHaveLength(1);
  });

  it('and never shows it: published without a URL, and never sent again', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.state.settings.timelineLagMs = 3_600_000;
    rig.simulator.faults.next(create, spoil('empty'));
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', tweet_id: null, tweet_url: null });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

describe.concurrent('X refuses a post for now', () => {
  it('with 429 until a time: one retry, not before it, and the only slot serves another user meanwhile', async () => {
    await using rig = await startX({ WORKER_CONCURRENCY: '1' });
    const [limited, other] = [await rig.account(), await rig.account()];
    rig.simulator.faults.next(create, rateLimited(5));
    const asked = await ask(limited);
    const waiting = await until(rig, asked, (job) => job.status === 'waiting');
    expect(waiting.retry_at).not.toBeNull();
    expect(await settled(rig, await ask(other))).toMatchObject({ status: 'published' });
    expect((await look(asked)).status).toBe('waiting');
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    const [first, second, ...more] = rig.requests(limited, create);
    expect(more).toEqual([]);
    // The reset is told in whole seconds of X's clock.
    expect((second?.receivedAt ?? 0) - (first?.receivedAt ?? 0)).toBeGreaterThanOrEqual(4000);
  });

  it('with 402: the post waits without calling X again, and fails with a clear word after an hour', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.faults.always(create, outOfCredits());
    const asked = await ask(session);
    const waiting = await until(rig, asked, (job) => job.status === 'waiting');
    expect(waiting.message).toMatch(/credits/i);
    expect(rig.requests(session, create)).toHaveLength(1);
    await anHourLater(rig, asked.jobId);
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'x_credits_depleted' } });
    expect(rig.requests(session, create)).toHaveLength(2);
  });
});

it('a post in doubt is not taken for one with the same text that X has just made for another job', async () => {
  await using rig = await startRig({ workers: 1, simulator: { duplicateRule: false } });
  const session = await rig.account();
  const post = async (request_id: string) => {
    const { body } = await session.request('POST', '/postTweet', { text: 'Said twice', request_id });
    return { session, jobId: body.job_id, marks: [] };
  };
  const reads = () => rig.requests(session, timeline).length;
  rig.simulator.faults.next(create, answer(503));
  const hold = rig.simulator.faults.hold(create, 'committed', { nth: 2 });
  const first = await post('first');
  await until(rig, first, (job) => job.status === 'confirming');
  const second = await post('second');
  await hold.reached;
  const before = reads();
  await eventually(() => expect(reads()).toBeGreaterThan(before + 1));
  hold.release();
  const ends = [await session.ended(first.jobId), await session.ended(second.jobId)];
  expect(ends.map(({ status }) => status)).toEqual(['published', 'published']);
  const posted = rig.tweetsOf(session).map(({ id }) => id);
  expect(new Set(ends.map(({ tweet_id }) => tweet_id))).toEqual(new Set(posted));
  expect(posted).toHaveLength(2);
});

describe.concurrent('X refuses a post as a duplicate', () => {
  it('after an attempt of unknown outcome had created it: published with that id', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const { settings } = rig.simulator.state;
    settings.timelineLagMs = 3_600_000;
    rig.simulator.faults.next(create, actThenAnswer(500));
    rig.simulator.faults.add(
      create,
      at('read', () => {
        settings.timelineLagMs = 0;
      }),
      { nth: 2 },
    );
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id, attempts: 2 });
  });

  it('after an attempt of unknown outcome had created it, and still does not show it: never called failed', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.state.settings.timelineLagMs = 3_600_000;
    rig.simulator.faults.next(create, actThenAnswer(500));
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'unconfirmed', attempts: 2 });
    expect(rig.tweetsOf(session)).toHaveLength(1);
  });

  it('or for a reason that cannot be read, after such an attempt: never called failed either', async () => {
    await using rig = await startX();
    const session = await rig.account();
    rig.simulator.state.settings.timelineLagMs = 3_600_000;
    rig.simulator.faults.next(create, actThenAnswer(500));
    rig.simulator.faults.add(create, answer(403), { nth: 2 });
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'unconfirmed', attempts: 2 });
    expect(rig.tweetsOf(session)).toHaveLength(1);
  });

  it('of a post that another job made before: failed, and that one is named, and not taken for ours', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const first = await session.post({ text: 'Twice', allow_duplicate: true });
    expect(first.status).toBe('published');
    const second = await session.post({ text: 'Twice', allow_duplicate: true });
    expect(second).toMatchObject({ status: 'failed', error: { code: 'duplicate_content' } });
    expect(second.error?.detail).toContain(`(${first.tweet_url})`);
    expect(rig.tweetsOf(session)).toHaveLength(1);
  });
});

describe.concurrent('X answers 401 to everything', () => {
  it('the token is renewed once, the post is tried twice at most, and the account has to connect again', async () => {
    await using rig = await startX();
    const session = await rig.account();
    const before = rig.simulator.state.requests.all.filter((request) => request.endpoint === token).length;
    rig.simulator.faults.always(create, answer(401, { title: 'Unauthorized', status: 401 }));
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'reconnect_needed' } });
    expect(rig.requests(session, create).length).toBeLessThanOrEqual(2);
    const after = rig.simulator.state.requests.all.filter((request) => request.endpoint === token).length;
    expect(after - before).toBe(1);
  });
});

it('a token that was renewed after a 401, and that X has taken since, is not renewed once more after a wait', async () => {
  await using rig = await startX();
  const session = await rig.account();
  const refreshes = () =>
    rig.simulator.state.requests.all.filter(({ bodyText }) => bodyText?.includes('grant_type=refresh_token'));
  rig.simulator.faults.next(create, answer(401, { title: 'Unauthorized', status: 401 }));
  rig.simulator.faults.add(create, rateLimited(2), { nth: 2 });
  expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
  expect(rig.requests(session, create)).toHaveLength(3);
  expect(refreshes()).toHaveLength(1);
});

describe.concurrent('X does not show its posts after an attempt of unknown outcome', () => {
  it.each([402, 403, 429, 500])(
    '(%i): never sent again, unconfirmed in the end, published once X shows it',
    async (status) => {
      await using rig = await startX({ CONFIRM_AFTER_MS: '300' });
      const session = await rig.account();
      rig.simulator.faults.next(create, actThenAnswer(500));
      const refusing = rig.simulator.faults.always(timeline, answer(status));
      const asked = await ask(session);
      expect(await settled(rig, asked)).toMatchObject({ status: 'unconfirmed', attempts: 1 });
      expect(rig.requests(session, create)).toHaveLength(1);
      rig.simulator.faults.remove(refusing);
      await anHourLater(rig, asked.jobId);
      await eventually(async () => expect((await look(asked)).status).toBe('published'));
      expect(await settled(rig, asked)).toMatchObject({ tweet_id: rig.tweetsOf(session)[0]?.id });
      expect(rig.requests(session, create)).toHaveLength(1);
    },
  );
});

/** As if an hour had passed: what waits is due, gates have reopened, and what has failed has failed that long. */
async function anHourLater(rig: Rig, jobId: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  const gates = await redis.keys('gate:*');
  if (gates.length > 0) await redis.del(gates);
  const record = `job:${jobId}`;
  if ((await redis.hexists(record, 'failing_since')) === 1)
    await redis.hincrby(record, 'failing_since', -3_700_000);
  await redis.hdel(record, 'not_before');
  const entries = await redis.zrange('bull:tweets:delayed', '0', '-1');
  for (const entry of entries) await redis.zadd('bull:tweets:delayed', 'XX', '0', entry);
  await redis.zadd('jobs:open', 'XX', '0', jobId);
}
