/** Chance that a seed repeats. */
export interface Random {
  /** From 0 to 1. */
  next(): number;
  between(from: number, to: number): number;
  pick<const T extends readonly [unknown, ...unknown[]]>(options: T): T[number];
}

/** mulberry32: small, and good enough to choose mischief. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (from, to) => Math.floor(from + next() * (to - from + 1)),
    pick: (options) => options[Math.floor(next() * options.length)] ?? options[0],
  };
}
