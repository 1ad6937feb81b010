/** X's epoch for ids, in epoch ms. */
const snowflakeEpoch = 1_288_834_974_657n;

/** Makes ids as X does: 41 bits of time, 22 bits that keep them apart, always increasing. */
export function createSnowflakes(now: () => number): () => string {
  let last = 0n;
  return () => {
    const fromClock = (BigInt(Math.trunc(now())) - snowflakeEpoch) << 22n;
    last = fromClock > last ? fromClock : last + 1n;
    return last.toString();
  };
}

/** The first id that X could give out at a moment; for `start_time` and `end_time`. */
export function snowflakeAt(epochMs: number): bigint {
  return (BigInt(Math.trunc(epochMs)) - snowflakeEpoch) << 22n;
}
