/** How a search for an encoder's quality goes: from the best that is wanted to the worst that is bearable. */
export interface QualityRange {
  readonly best: number;
  readonly worst: number;
}

interface Point {
  readonly quality: number;
  readonly bytes: number;
}

const mostAsked = 7;
/** A quality that fills this much of the room is good enough. */
const enough = 0.9;
/** The usual curve: half the bytes every 25 steps. */
const usualSlope = Math.log(2) / 25;

/**
 * The highest quality at which `estimate` (bytes at a quality, growing with it) stays within `maxBytes`, or one that
 * fills nine tenths of it; the worst one when none does. Asks at most seven times, once when the best one fits, twice
 * or three times as a rule.
 */
export async function findQuality(
  estimate: (quality: number) => Promise<number>,
  maxBytes: number,
  { best, worst }: QualityRange,
): Promise<number> {
  let high: Point = { quality: best, bytes: await estimate(best) };
  if (high.bytes <= maxBytes || best <= worst) return best;
  let low: Point | null = null;
  let slope = usualSlope;
  for (let asked = 1; asked < mostAsked; asked += 1) {
    const floor: number = low?.quality ?? worst - 1;
    if (high.quality - floor <= 1) break;
    // A curve that is not straight is not chased for ever.
    const quality = asked < 4 ? meet(high, slope, maxBytes, floor) : Math.ceil((floor + high.quality) / 2);
    const point = { quality, bytes: await estimate(quality) };
    slope = slopeOf(point, point.bytes > maxBytes || low === null ? high : low) ?? slope;
    if (point.bytes > maxBytes) high = point;
    else if (point.bytes >= maxBytes * enough) return quality;
    else low = point;
  }
  return low?.quality ?? worst;
}

/** Where a straight line through `from`, bytes taken as logarithm, meets `bytes`; strictly between floor and `from`. */
function meet(from: Point, slope: number, bytes: number, floor: number): number {
  const quality = Math.floor(from.quality - Math.log(from.bytes / bytes) / slope);
  return Math.min(from.quality - 1, Math.max(floor + 1, quality));
}

function slopeOf(one: Point, other: Point): number | null {
  const slope = Math.log(one.bytes / other.bytes) / (one.quality - other.quality);
  return Number.isFinite(slope) && slope > 0 ? slope : null;
}
