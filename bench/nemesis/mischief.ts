import { setTimeout as pass } from 'node:timers/promises';

/** One act of mischief: its name for the history, and the deed, which ends when its damage is over. */
export interface Mischief {
  readonly name: string;
  /** A string that it resolves to says which promise was broken. */
  readonly act: () => Promise<unknown>;
}

/** Waits for a moment that may never come. */
export async function within(moment: Promise<unknown> | undefined, ms = 4000): Promise<void> {
  const over = new AbortController();
  await Promise.race([moment, pass(ms, undefined, { signal: over.signal })]);
  over.abort();
}

export async function freeze(kill: (signal: NodeJS.Signals) => void, pauseMs: number): Promise<void> {
  kill('SIGSTOP');
  await pass(pauseMs);
  kill('SIGCONT');
}
