import { describe, expect, it } from 'vitest';
import { answer, delay } from '#apps/x-simulator/fault.ts';
import { ask, create, type Rig, settled, startRig, until } from './rig.ts';

/** Requests to create a post, of whoever, as far as they reached X. */
const creates = (rig: Rig) => rig.simulator.state.requests.all.filter(({ endpoint }) => endpoint === create);
const many = (count: number) => Array.from({ length: count }, (_, index) => index);

describe.concurrent("an account's limit", () => {
  it('is never run into, by however many workers, and its posts go on right after the reset', async () => {
    const windowMs = 3000;
    await using rig = await startRig({
      workers: 2,
      simulator: { rateLimits: { [create]: { user: { limit: 3, windowMs } } } },
    });
    const accounts = await Promise.all(many(3).map(() => rig.account()));
    const asked = await Promise.all(accounts.flatMap((account) => many(5).map(() => ask(account))));
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    expect(creates(rig).map(({ status }) => status)).not.toContain(429);
    for (const account of accounts) {
      const [first, , , fourth, fifth] = rig.requests(account, create).map(({ receivedAt }) => receivedAt);
      // X names its resets in whole seconds.
      const resetAt = Math.ceil(((first ?? 0) + windowMs) / 1000) * 1000;
      expect(fourth).toBeGreaterThanOrEqual(resetAt);
      // A fraction of a second where nothing else runs; ten seconds are what a probe without an answer takes.
      expect((fifth ?? 0) - resetAt).toBeLessThan(10_000);
    }
  });
});

describe.concurrent("the app's limit for a day", () => {
  it('is found out by one call; all accounts wait without another, one asks after the reset, and all go on', async () => {
    await using rig = await startRig({ workers: 2 });
    const accounts = await Promise.all(many(8).map(() => rig.account()));
    const resetAt = Math.ceil(Date.now() / 1000) * 1000 + 6000;
    rig.simulator.faults.next(
      create,
      answer(
        429,
        { title: 'Too Many Requests', detail: 'Too Many Requests', type: 'about:blank', status: 429 },
        {
          'x-app-limit-24hour-limit': '10000',
          'x-app-limit-24hour-remaining': '0',
          'x-app-limit-24hour-reset': String(resetAt / 1000),
        },
      ),
    );
    const [first, ...others] = accounts;
    if (!first) throw new Error('no account');
    const refused = await ask(first);
    await until(rig, refused, (job) => job.status === 'waiting');
    const asked = [refused, ...(await Promise.all(others.map((account) => ask(account))))];
    rig.simulator.faults.always(create, delay(50));
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    const [, probe, ...rest] = creates(rig).map(({ receivedAt }) => receivedAt - resetAt);
    expect(probe).toBeGreaterThanOrEqual(0);
    expect(rest).toHaveLength(7);
    expect(Math.min(...rest)).toBeGreaterThanOrEqual((probe ?? 0) + 50);
    expect(Math.max(...rest)).toBeLessThan(9000);
  });
});
