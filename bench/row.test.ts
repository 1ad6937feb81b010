import { describe, expect, it } from 'vitest';
import { plot } from './plot.ts';
import { toTable } from './report.ts';
import { isMet, type Row } from './row.ts';
import { byTurns, quantile } from './statistics.ts';

const row = (facts: Partial<Row>): Row => ({ what: 'posts', unit: '/s', ours: 50, baseline: 100, ...facts });

describe('a goal', () => {
  it('is met by a ratio on its right side, its bound included', () => {
    expect(isMet(row({ goal: { ratioAtLeast: 0.5 } }))).toBe(true);
    expect(isMet(row({ goal: { ratioAtLeast: 0.51 } }))).toBe(false);
    expect(isMet(row({ goal: { ratioAtMost: 0.5 } }))).toBe(true);
    expect(isMet(row({ goal: { ratioAtMost: 0.49 } }))).toBe(false);
  });

  it('may be a figure of its own, without a baseline', () => {
    expect(isMet(row({ baseline: null, goal: { atMost: 50 } }))).toBe(true);
    expect(isMet(row({ baseline: null, goal: { atMost: 49 } }))).toBe(false);
  });

  it('that was not set, or lacks the baseline it is measured by, is neither met nor missed', () => {
    expect(isMet(row({}))).toBeNull();
    expect(isMet(row({ baseline: null, goal: { ratioAtMost: 1 } }))).toBeNull();
  });
});

it('the table names what was missed', () => {
  const table = toTable([
    row({ goal: { ratioAtLeast: 0.6 } }),
    row({ what: 'others', goal: { ratioAtMost: 1 } }),
  ]);
  expect(table.split('\n').map((line) => line.trim().split(/ {2,}/).at(-1))).toEqual([
    'goal',
    'missed',
    'met',
  ]);
});

it('a plot is one SVG whose texts cannot break it', () => {
  const svg = plot('A & B', [row({ what: '<script>' })]);
  expect(svg).toContain('A &amp; B');
  expect(svg).toContain('&lt;script&gt;');
  expect(svg).not.toContain('<script>');
});

it('contenders take turns, and the first round does not count', async () => {
  const calls: string[] = [];
  const run = (name: string) => async () => calls.push(name);
  const results = await byTurns(2, { ours: run('ours'), baseline: run('baseline') });
  expect(calls).toEqual(['baseline', 'ours', 'baseline', 'ours', 'baseline', 'ours']);
  expect(results).toEqual({ ours: [4, 6], baseline: [3, 5] });
});

it('a quantile is one of the values', () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([3, 1, 2], 0.99)).toBe(3);
});
