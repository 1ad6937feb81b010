import { afterAll, afterEach, expect } from 'vitest';
import { openVault, startRig } from './vault-rig.ts';

/** Where X makes new pairs of tokens. */
export const tokenEndpoint = 'POST /2/oauth2/token';
/** Ages of a token that lives for two hours, in ms. */
export const hour = 3_600_000;
export const nearlyExpired = 2 * hour - 5 * 60_000;
export const expired = 2 * hour + 1;

/** A rig for the tests of one file, begun anew before each, and vaults that are opened at it. */
export async function useOwnRig() {
  const rig = await startRig();
  afterAll(() => rig[Symbol.asyncDispose]());
  afterEach(async () => {
    expect(rig.simulator.state.bugs).toEqual([]);
    await rig.reset();
  });
  const open = (...change: Parameters<typeof openVault> extends [unknown, ...infer Rest] ? Rest : never) =>
    openVault(rig.settings(), ...change);
  return { rig, open };
}
