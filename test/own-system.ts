import { afterAll } from 'vitest';
import { startSystem } from './system.ts';

/** A system for the tests of one file. */
export async function useOwnSystem(options: Parameters<typeof startSystem>[0] = {}) {
  const system = await startSystem(options);
  afterAll(() => system[Symbol.asyncDispose]());
  return system;
}
