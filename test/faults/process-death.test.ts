import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, create, type Rig, settled, startRig, timeline } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterEach(() => rig.simulator.faults.clear());
afterAll(() => rig[Symbol.asyncDispose]());

describe('a worker killed while it sends', () => {
  it.each(['committed', 'half-answered'] as const)(
    'after X has created the post, with the answer %s: there is one post, and the job is published with its id',
    async (point) => {
      const session = await rig.account();
      const hold = rig.simulator.faults.hold(create, point);
      const doomed = await rig.worker();
      const asked = await ask(session);
      await hold.reached;
      doomed.kill('SIGKILL');
      await doomed.exited;
      expect(rig.tweetsOf(session)).toHaveLength(1);
      await using _heir = await rig.worker();
      const job = await settled(rig, asked);
      expect(job).toMatchObject({ status: 'published', tweet_id: rig.tweetsOf(session)[0]?.id, attempts: 1 });
      expect(rig.requests(session, create)).toHaveLength(1);
      expect(rig.requests(session, timeline).length).toBeGreaterThan(0);
    },
  );
});
