import { XAnswerError } from '#libs/x-api/errors.ts';

/**
 * Which segment of an upload is sent next. Several may be on their way at once; X documents that they go in order,
 * so one that X refuses while an earlier one is still on its way waits for its turn, and from then on all do.
 */
export function createSegmentOrder(first: number) {
  const done = new Set<number>();
  let low = first;
  let upcoming = first;
  let strict = false;
  let failure: { readonly cause: unknown } | null = null;
  let waiting: (() => void)[] = [];

  const announce = () => {
    const all = waiting;
    waiting = [];
    for (const wake of all) wake();
  };

  async function turnOf(index: number): Promise<void> {
    while (low < index && !failure) await new Promise<void>((resolve) => waiting.push(resolve));
    if (failure) throw failure.cause;
  }

  async function inTurn(index: number, append: (index: number) => Promise<void>): Promise<void> {
    if (strict) await turnOf(index);
    try {
      await append(index);
    } catch (error) {
      if (!(error instanceof XAnswerError) || error.status !== 400 || low === index) throw error;
      strict = true;
      await turnOf(index);
      await append(index);
    }
  }

  return {
    /** The lowest segment that is not at X. */
    lowest: () => low,
    /** Takes the next segment of `count`; null when none is left, or when one has failed. */
    next: (count: number): number | null => (failure || upcoming >= count ? null : upcoming++),
    async send(index: number, append: (index: number) => Promise<void>): Promise<void> {
      try {
        await inTurn(index, append);
      } catch (error) {
        failure ??= { cause: error };
        announce();
        throw error;
      }
      done.add(index);
      while (done.delete(low)) low++;
      announce();
    },
  };
}
