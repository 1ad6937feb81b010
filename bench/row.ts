/** One measured figure of ours beside that of its baseline from the same run. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  /** null: there is none, the goal is a number of its own. */
  readonly baseline: number | null;
  readonly goal?: Goal;
}

/** Ratios are ours to baseline. */
export type Goal =
  | { readonly ratioAtLeast: number }
  | { readonly ratioAtMost: number }
  | { readonly atMost: number };

export interface Series {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  run(): Promise<Row[]>;
}

export function ratioOf({ ours, baseline }: Row): number | null {
  return baseline === null || baseline === 0 ? null : ours / baseline;
}

/** null: there is no goal. */
export function isMet(row: Row): boolean | null {
  if (!row.goal) return null;
  if ('atMost' in row.goal) return row.ours <= row.goal.atMost;
  const ratio = ratioOf(row);
  if (ratio === null) return null;
  return 'ratioAtLeast' in row.goal ? ratio >= row.goal.ratioAtLeast : ratio <= row.goal.ratioAtMost;
}

export function describeGoal({ goal, unit }: Row): string {
  if (!goal) return '';
  if ('atMost' in goal) return `≤ ${format(goal.atMost)} ${unit}`;
  return 'ratioAtLeast' in goal ? `≥ ${goal.ratioAtLeast} ×` : `≤ ${goal.ratioAtMost} ×`;
}

/** Three digits are as much as a run can say. */
export function format(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
