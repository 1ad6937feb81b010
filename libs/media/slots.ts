/** A fixed number of places; who finds none waits in line. */
export interface Slots {
  /** Waits for a place and holds it until disposed. Rejects with the signal's reason when that fires first. */
  take(signal?: AbortSignal): Promise<Disposable>;
  /** A place that is free now, or null. */
  takeNow(): Disposable | null;
  readonly taken: number;
}

/** Creates `size` places. */
export function createSlots(size: number): Slots {
  const line: (() => void)[] = [];
  let taken = 0;
  const leave = () => {
    const next = line.shift();
    if (next) next();
    else taken -= 1;
  };
  const place = (): Disposable => {
    let held = true;
    return {
      [Symbol.dispose]() {
        if (held) leave();
        held = false;
      },
    };
  };
  const takeNow = () => {
    if (taken >= size) return null;
    taken += 1;
    return place();
  };
  return {
    get taken() {
      return taken;
    },
    takeNow,
    async take(signal) {
      signal?.throwIfAborted();
      const free = takeNow();
      if (free) return free;
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        };
        const giveUp = () => {
          line.splice(line.indexOf(enter), 1);
          reject(signal?.reason);
        };
        line.push(enter);
        signal?.addEventListener('abort', giveUp, { once: true });
      });
      return place();
    },
  };
}
