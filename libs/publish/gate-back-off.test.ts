import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate } from './gate.ts';
import { createClock } from './gate.world.ts';

/** More of them with GATE_RUNS=2000. */
const runs = process.env.GATE_RUNS ? { numRuns: Number(process.env.GATE_RUNS) } : { numRuns: 40, seed: 46 };
const second = 1000;
const minute = 60 * second;

// What is on disk does not matter here, and thousands of writes come faster without.
const { redis: connection } = await useOwnRedis({ args: ['--appendonly', 'no'] });
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** As the design words it for an X that refuses without a time: a minute, doubling to fifteen, then single probes. */
class Spec {
  closings = 0;
  closedUntil = 0;
  probe: { readonly until: number } | null = null;

  /** Until when a call is held back; null when it is let through. */
  ask(now: number): number | null {
    if (now < this.closedUntil) return this.closedUntil;
    if (this.probe && now < this.probe.until) return this.probe.until;
    if (this.closings > 0) this.probe = { until: now + 10 * second };
    return null;
  }
  refused(now: number): void {
    if (now < this.closedUntil) return;
    this.closings += 1;
    this.closedUntil = now + Math.min(15 * minute, minute * 2 ** (this.closings - 1));
    this.probe = null;
  }
  passed(now: number): void {
    if (now < this.closedUntil) return;
    this.closings = 0;
    this.probe = null;
  }
}

it.each([
  ['a limit without a time', 429],
  ['missing credits', 402],
])(
  '%s: a minute, doubling to fifteen, one probe at a time, and open once that is answered',
  async (_, status) => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('yes' as const, 'putBack' as const) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('no' as const) }) },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('pass' as const),
          ms: fc.oneof(fc.integer({ min: 1, max: 11 * second }), fc.integer({ min: 1, max: 16 * minute })),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (played) => {
        await connection.flushall();
        const { redis, now, pass } = createClock(connection, 1_800_000_000_456);
        vi.setSystemTime(now());
        const spec = new Spec();
        let onTheirWay = 0;
        const gate = () => createGate({ redis, random: () => 0 });
        const learn = (answered: number) =>
          gate().learn('7', {
            ...{ endpoint: 'create_tweet', status: answered, at: now(), durationMs: 1 },
            ...{ rateLimits: [], date: null, transactionId: null },
          });
        for (const move of played) {
          if (move.kind === 'pass') {
            await pass(move.ms);
            vi.setSystemTime(now());
            continue;
          }
          if (move.kind === 'ask') {
            const until = spec.ask(now());
            const passage = await gate().take('7', 'create_tweet');
            expect(passage.open).toBe(until === null);
            if (passage.open) onTheirWay += 1;
            // Who waits for a probe's answer may ask again before it is given up.
            else expect(passage.until).toBeLessThanOrEqual(until ?? 0);
            if (!passage.open && spec.probe === null) expect(passage.until).toBe(until);
            continue;
          }
          if (onTheirWay === 0) continue;
          onTheirWay -= 1;
          if (move.kind === 'putBack') {
            await gate().putBack('7', 'create_tweet', []);
            if (spec.probe && now() < spec.probe.until) spec.probe = null;
          } else if (move.kind === 'yes') {
            await learn(201);
            spec.passed(now());
          } else {
            await learn(status);
            spec.refused(now());
          }
        }
      }),
      runs,
    );
  },
);
