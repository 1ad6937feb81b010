import { expect, it } from 'vitest';
import { runNemesis } from '../../bench/nemesis/run.ts';

it('a short nemesis with a fixed seed breaks no promise', async () => {
  const report = await runNemesis({ seed: 46, posts: 15, forMs: 6000, settleMs: 90_000, patient: false });
  expect(report.broken, report.history.join('\n')).toEqual([]);
  expect(Object.values(report.ends).reduce((sum, count) => sum + count, 0)).toBe(15);
}, 150_000);
