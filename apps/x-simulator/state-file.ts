import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeptState } from './kept-state.ts';

/** The file that a simulator's state is kept in, as a whole: each writing replaces it at once or not at all. */
export class StateFile {
  readonly #path: string;
  readonly #snapshot: () => KeptState;
  #isBehind = false;
  #isFailing = false;
  #writing: Promise<void> = Promise.resolve();
  /** The writing after that one, as long as it has not begun: it takes along whatever changes until then. */
  #next: Promise<void> | null = null;

  /** `snapshot` gives the state as it is when a writing begins. */
  constructor(path: string, snapshot: () => KeptState) {
    this.#path = path;
    this.#snapshot = snapshot;
  }

  /** What was kept, or null: nothing yet, or a file that cannot be understood, which is said and set aside. */
  async read(): Promise<KeptState | null> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const text = await readFile(this.#path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (text === null) return null;
    try {
      return KeptState.parse(JSON.parse(text));
    } catch {
      await rename(this.#path, `${this.#path}.broken`);
      say(
        `The file ${this.#path} is damaged: it now lies beside as state.json.broken, and the simulated X begins anew (accounts must be connected again).`,
      );
      return null;
    }
  }

  /** Says that the state is no longer what was written; it soon is. */
  changed(): void {
    this.#isBehind = true;
    // Whoever waits for it learns of a failure, and the next writing tries again.
    this.saved().catch(() => {});
  }

  /** Resolves when all that has changed so far is on disk; rejects when it cannot be written. */
  saved(): Promise<void> {
    if (!this.#isBehind) return this.#writing;
    this.#next ??= this.#writing
      .catch(() => {})
      .then(() => {
        this.#next = null;
        this.#writing = this.#write();
        return this.#writing;
      });
    return this.#next;
  }

  async #write(): Promise<void> {
    this.#isBehind = false;
    try {
      await replaceFile(this.#path, JSON.stringify(this.#snapshot()));
      this.#isFailing = false;
    } catch (error) {
      this.#isBehind = true;
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.#isFailing)
        say(`The simulated X cannot keep its state (${reason}): until it can, it answers 500.`);
      this.#isFailing = true;
      throw error;
    }
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  {
    await using file = await open(`${path}.new`, 'w', 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(`${path}.new`, path);
}

function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}
