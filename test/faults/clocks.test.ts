import { describe, expect, it } from 'vitest';
import { rateLimited } from '#apps/x-simulator/fault.ts';
import { withClock } from '../other-clock.ts';
import { ask, create, settled, startRig } from './rig.ts';

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
});
