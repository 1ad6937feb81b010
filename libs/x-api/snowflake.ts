/** X's epoch, 2010-11-04: ids of posts carry their time as 41 bits of milliseconds since then, followed by 22 bits. */
const epochMs = 1_288_834_974_657;

/** The smallest post id of a moment. @param at epoch ms */
export function snowflakeAt(at: number): string {
  return String(BigInt(Math.max(0, at - epochMs)) << 22n);
}

/** When the post with this id was made, epoch ms. */
export function snowflakeTime(tweetId: string): number {
  return Number(BigInt(tweetId) >> 22n) + epochMs;
}
