import { describe, expect, it } from 'vitest';
import { createLaneCount } from './lane-count.ts';

const mebibyte = 1024 * 1024;

/** Lets as many segments arrive as are on their way, a few times over. */
function rounds(
  lanes: ReturnType<typeof createLaneCount>,
  count: number,
  durationMs: (wanted: number) => number,
): number {
  for (let round = 0; round < count; round++) {
    const wanted = lanes.wanted();
    for (let segment = 0; segment < wanted; segment++) lanes.took(durationMs(wanted));
  }
  return lanes.wanted();
}

describe('the number of segments on their way at once', () => {
  it('grows where the time is spent on the distance', () => {
    expect(rounds(createLaneCount(mebibyte), 5, () => 150)).toBe(16);
  });

  it('stays where more at once only take longer', () => {
    expect(rounds(createLaneCount(mebibyte), 5, (wanted) => 40 * wanted)).toBe(8);
  });

  it('never holds more than 28 MiB in memory', () => {
    expect(rounds(createLaneCount(4 * mebibyte), 5, () => 150)).toBe(7);
    expect(rounds(createLaneCount(64 * mebibyte), 5, () => 150)).toBe(1);
  });
});
