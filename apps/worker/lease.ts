/**
 * How long ago the queue last confirmed that an entry is ours, on a clock that does not jump. A stalled Redis emits
 * no event, so silence has to count as a loss.
 */
export function createLease(lockMs: number, now: () => number = () => performance.now()) {
  const confirmedAt = new Map<string, number>();
  // Two thirds, because a renewal is due after half of it: one that is late must show before the lock is gone.
  const heldForMs = (lockMs * 2) / 3;
  return {
    begin(id: string | undefined): void {
      if (id !== undefined) confirmedAt.set(id, now());
    },
    renewed(ids: readonly string[]): void {
      for (const id of ids) if (confirmedAt.has(id)) confirmedAt.set(id, now());
    },
    holds(id: string | undefined): boolean {
      const at = id === undefined ? undefined : confirmedAt.get(id);
      return at !== undefined && now() - at < heldForMs;
    },
    end(id: string | undefined): void {
      if (id !== undefined) confirmedAt.delete(id);
    },
  };
}
