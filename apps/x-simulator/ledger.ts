/** Entries in the order they came, and a way to await one without sleeping. */
export class Ledger<T> {
  #entries: T[] = [];
  readonly #watchers = new Set<(entry: T) => void>();
  readonly #describe: (entry: T) => string;
  readonly #capacity: number;

  /** `describe` words an entry for the error of `waitFor`; beyond `capacity` the oldest tenth is forgotten. */
  constructor(describe: (entry: T) => string, capacity = 100_000) {
    this.#describe = describe;
    this.#capacity = capacity;
  }

  get all(): readonly T[] {
    return this.#entries;
  }

  add(entry: T): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#capacity) this.#entries = this.#entries.slice(this.#capacity / 10);
    this.changed(entry);
  }

  /** Tells the watchers that an entry, already added, has changed. */
  changed(entry: T): void {
    for (const watcher of [...this.#watchers]) watcher(entry);
  }

  /** Calls `watcher` for every entry added or changed from now on; returns how to stop that. */
  watch(watcher: (entry: T) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The first entry, already there or still to come, that fits; rejects after `timeoutMs` (20 s). */
  waitFor(fits: (entry: T) => boolean, timeoutMs = 20_000): Promise<T> {
    const found = this.#entries.find(fits);
    if (found !== undefined) return Promise.resolve(found);
    return this.next(fits, timeoutMs);
  }

  /** As `waitFor`, but only what is added or changed from now on. */
  next(fits: (entry: T) => boolean, timeoutMs = 20_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop();
        const seen = this.#entries.slice(-20).map(this.#describe).join('\n  ');
        reject(new Error(`Nothing that fits came within ${timeoutMs} ms. The latest entries:\n  ${seen}`));
      }, timeoutMs);
      const stop = this.watch((entry) => {
        if (!fits(entry)) return;
        clearTimeout(timer);
        stop();
        resolve(entry);
      });
    });
  }

  clear(): void {
    this.#entries = [];
  }
}
