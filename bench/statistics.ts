/** The value below which the given share of all lies; 0.5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Runs both by turns, so that whatever else the machine does weighs on both alike; the first round warms up. */
export async function byTurns<T>(
  rounds: number,
  contenders: Readonly<Record<'ours' | 'baseline', () => Promise<T>>>,
): Promise<{ ours: T[]; baseline: T[] }> {
  const results = { ours: [] as T[], baseline: [] as T[] };
  for (let round = 0; round <= rounds; round++)
    for (const name of ['baseline', 'ours'] as const) {
      const result = await contenders[name]();
      if (round > 0) results[name].push(result);
    }
  return results;
}
