const everyMs = 400;

/**
 * Saves progress now and then, never two saves at a time, never one that changes nothing. `done` waits for the last
 * save; a save that fails shows there, because it may mean that the item belongs to another run.
 */
export function createProgress(save: (percent: number, bytes: number) => Promise<unknown>) {
  let last = { percent: -1, at: 0 };
  let saving: Promise<unknown> | null = null;
  let failure: unknown = null;
  return {
    report(percent: number, bytes = 0): void {
      const now = performance.now();
      if (saving || failure !== null || percent === last.percent || now - last.at < everyMs) return;
      last = { percent, at: now };
      saving = save(percent, bytes)
        .catch((error: unknown) => {
          failure = error;
        })
        .finally(() => {
          saving = null;
        });
    },
    async done(): Promise<void> {
      await saving;
      if (failure !== null) throw failure;
    },
  };
}
