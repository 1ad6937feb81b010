import { vi } from 'vitest';

/** Resolves to what `check` gives once it no longer throws. How long that takes is up to the machine. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 50_000 });
