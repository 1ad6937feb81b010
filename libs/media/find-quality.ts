/** How a search for an encoder's quality goes: from the best that is wanted to the worst that is bearable. */
export interface QualityRange {
  readonly best: number;
  readonly worst: number;
}

/**
 * The highest quality at which `estimate` (bytes at a quality, growing with it) stays within `maxBytes`; the worst one
 * when none does. Asks at most seven times, twice when the best one fits or the curve is as steep as usual.
 */
export async function findQuality(
  estimate: (quality: number) => Promise<number>,
  maxBytes: number,
  { best, worst }: QualityRange,
): Promise<number> {
  let high = { quality: best, bytes: await estimate(best) };
  if (high.bytes <= maxBytes || best <= worst) return best;
  // Below the range, as if the curve were straight in the logarithm and fell by half every 25 steps.
  let low = { quality: worst - 1, bytes: high.bytes * 0.5 ** ((best - worst + 1) / 25) };
  let fitting: number | null = null;
  for (let asked = 1; asked < 7 && high.quality - low.quality > 1; asked += 1) {
    const quality = between(low, high, maxBytes);
    const bytes = await estimate(quality);
    if (bytes <= maxBytes) {
      fitting = quality;
      low = { quality, bytes };
      if (bytes >= maxBytes * 0.9) break;
    } else {
      high = { quality, bytes };
      low = fitting === null ? { ...low, bytes: Math.min(low.bytes, bytes / 2) } : low;
    }
  }
  return fitting ?? worst;
}

interface Point {
  readonly quality: number;
  readonly bytes: number;
}

/** Where the line through two points, bytes taken as logarithm, meets `bytes`: a whole quality strictly between them. */
function between(low: Point, high: Point, bytes: number): number {
  const rise = Math.log(high.bytes / low.bytes);
  const part = rise > 0 ? Math.log(bytes / low.bytes) / rise : 0.5;
  const quality = Math.floor(low.quality + Math.min(1, Math.max(0, part)) * (high.quality - low.quality));
  return Math.min(high.quality - 1, Math.max(low.quality + 1, quality));
}
