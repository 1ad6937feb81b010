import { expect, it } from 'vitest';
import type { Job } from '#libs/jobs/job.ts';
import type { Order } from '#libs/jobs/order.ts';
import { planOutcome } from './outcome-plan.ts';

const begun = 1_800_000_000_000;
const order = { posts: [{ text: 'Hello', media: [], altTexts: [] }] } as unknown as Order;

/** Tries to reach an X that is away until the post is given up. Resolves to the times of the tries, ms from the first. */
function triesUntilGivenUp(giveUpAfterMs: number, random: number): number[] {
  let job = {
    cursor: 0,
    attemptId: 'a',
    failures: 0,
    failingSince: null,
    waitReason: null,
  } as unknown as Job;
  let now = begun;
  const tries: number[] = [];
  for (;;) {
    tries.push(now - begun);
    const context = { now, opensAt: null, random, giveUpAfterMs };
    const { name, facts } = planOutcome(job, order, { kind: 'not_sent' }, context);
    if (name === 'rejected') return tries;
    job = { ...job, ...(facts.patch as Partial<Job>) };
    now = job.notBefore ?? now;
  }
}

it.each([
  ['the usual hour', 3_600_000],
  ['a day', 86_400_000],
])('the tries to reach an X that is away fill %s: soon at first, and few', (_, giveUpAfterMs) => {
  const tries = triesUntilGivenUp(giveUpAfterMs, 0.5);
  expect(tries.length).toBeLessThanOrEqual(11);
  expect(tries[1]).toBe(1000);
  expect(tries[4]).toBeLessThan(60_000);
  expect(tries.at(-1)).toBeGreaterThan(0.75 * giveUpAfterMs);
  expect(tries.at(-1)).toBeLessThan(1.2 * giveUpAfterMs);
});

it.each(['not_sent', 'limited', 'credits'] as const)('no wait of a post (%s) outlasts it', (kind) => {
  const day = 24 * 3_600_000;
  const waits = (expiresAt: number | null) => {
    const job = {
      cursor: 0,
      attemptId: 'a',
      failures: 9,
      failingSince: begun,
      waitReason: 'x_down',
      expiresAt,
    };
    const context = { now: begun, opensAt: begun + day, random: 0.5, giveUpAfterMs: 2 * day };
    const { name, facts } = planOutcome(job as unknown as Job, order, { kind }, context);
    return [name, facts.patch?.notBefore];
  };
  expect(waits(begun + 1000)).toEqual(['notCreated', begun + 1000]);
  expect(waits(begun - 1000)).toEqual(['notCreated', begun - 1000]);
  expect(waits(null)).toEqual(['notCreated', expect.toSatisfy((at: number) => at > begun + 1000)]);
});

it('however short they last and whatever their jitter, there are not many', () => {
  for (const random of [0, 0.5, 1])
    for (const giveUpAfterMs of [1000, 10_000, 600_000])
      expect(triesUntilGivenUp(giveUpAfterMs, random).length).toBeLessThanOrEqual(11);
});
