const fewest = 4;
const most = 16;
/** What may be on its way in all: each segment is held in memory until X has it. */
const mostBytes = 28 * 1024 * 1024;

/**
 * How many segments may be on their way at once: more as long as each takes hardly longer than when there were few.
 * Then the time is spent on the distance and not on the width of the way, and X is not being pressed.
 */
export function createLaneCount(segmentBytes: number) {
  const limit = Math.max(1, Math.min(most, Math.floor(mostBytes / segmentBytes)));
  let wanted = Math.min(fewest, limit);
  let sinceChange = 0;
  let summedMs = 0;
  let fastestMs = Number.POSITIVE_INFINITY;
  return {
    wanted: (): number => wanted,
    /** One segment has arrived, after this time. */
    took(durationMs: number): void {
      sinceChange++;
      summedMs += durationMs;
      if (sinceChange < wanted) return;
      const averageMs = summedMs / sinceChange;
      fastestMs = Math.min(fastestMs, averageMs);
      if (averageMs < 1.5 * fastestMs) wanted = Math.min(limit, 2 * wanted);
      sinceChange = 0;
      summedMs = 0;
    },
  };
}
