/** A stretch of a file: from `start` up to, not including, `end`. */
export type Stretch = readonly [start: number, end: number];

/** Collects what is kept of a file, from its start to its end; neighbours become one. */
export interface Keeper {
  keep(start: number, end: number): void;
  /** Null when there are so many pieces that somebody made them on purpose. */
  readonly stretches: readonly Stretch[] | null;
}

const mostStretches = 1_000;

/** Creates a collection that holds nothing yet. */
export function createKeeper(): Keeper {
  const kept: Stretch[] = [];
  return {
    keep(start, end) {
      const last = kept.at(-1);
      if (last && last[1] === start) kept[kept.length - 1] = [last[0], end];
      else if (kept.length <= mostStretches) kept.push([start, end]);
    },
    get stretches() {
      return kept.length > mostStretches ? null : kept;
    },
  };
}

/** How many bytes they are together. */
export function lengthOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, [start, end]) => sum + end - start, 0);
}
