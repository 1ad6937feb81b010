import { describe, expect, it } from 'vitest';
import { actThenAnswer, rateLimited } from '#apps/x-simulator/fault.ts';
import { withClock } from '../other-clock.ts';
import { ask, create, settled, startRig, until } from './rig.ts';
import { startGate } from './tcp-gate.ts';

describe.concurrent('an X whose clock is', () => {
  it.each([
    ['three minutes behind', -180_000],
    ['three minutes ahead', 180_000],
  ])('%s: a post whose answer was lost is found, and not sent again', async (_, offsetMs) => {
    await using rig = await startRig({ workers: 1, simulator: { now: () => Date.now() + offsetMs } });
    const session = await rig.account();
    rig.simulator.faults.next(create, actThenAnswer(503));
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

describe.concurrent('a worker whose clock is', () => {
  it.each([
    ['a minute ahead', 60_000],
    ['a minute behind', -60_000],
  ])(
    '%s: a post is neither called expired before its time nor sent before X allows it',
    async (_, offsetMs) => {
      await using rig = await startRig();
      await using _worker = await rig.worker(withClock(offsetMs));
      const session = await rig.account();
      rig.simulator.faults.next(create, rateLimited(3));
      const asked = await ask(session, { expires_at: new Date(Date.now() + 30_000).toISOString() });
      expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
      const [first, second, ...more] = rig.requests(session, create);
      expect(more).toEqual([]);
      expect((second?.receivedAt ?? 0) - (first?.receivedAt ?? 0)).toBeGreaterThanOrEqual(2000);
    },
  );

  it.each([
    ['an hour ahead', 3_600_000],
    ['an hour behind', -3_600_000],
  ])(
    '%s: a post that cannot reach X is tried again as soon and as often as by any other',
    async (_, offsetMs) => {
      await using rig = await startRig();
      await using gate = await startGate(rig.simulator.url);
      await using _worker = await rig.worker({ ...withClock(offsetMs), X_API_URL: gate.url });
      const session = await rig.account();
      await gate.close();
      const asked = await ask(session);
      const waiting = await until(rig, asked, (job) => job.status === 'waiting' && job.attempts >= 2);
      expect(Date.parse(waiting.retry_at ?? '') - Date.now()).toBeLessThan(60_000);
      expect(waiting.attempts).toBeLessThan(5);
      await gate.open();
      expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
      expect(rig.requests(session, create)).toHaveLength(1);
    },
  );
});
