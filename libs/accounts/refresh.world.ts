import type { Fields } from './record-rules.ts';

/**
 * A model of the refresh protocol: processes, one account's record, the lock, the spools and X, small enough to be
 * walked through in every order. Decisions are those of refresh.ts, writes those of the scripts. Pair n is what X
 * handed out at the nth refresh; presenting the refresh token of an older pair kills everything, as X may do.
 */
export interface World {
  readonly record: Fields;
  /** The life of a process that holds the lock. */
  readonly lock: string | null;
  /** `first`: the pair of the last sign-in, with which a new family of tokens begins. */
  readonly x: { readonly pair: number; readonly first: number; readonly dead: boolean };
  /** Whether the access token of pair 0 still lives. It has less than ten minutes left from the start. */
  readonly oldAlive: boolean;
  readonly disks: readonly (readonly SpoolEntry[])[];
  readonly processes: readonly Process[];
  /** What may still go wrong. */
  readonly crashes: number;
  readonly losses: number;
  readonly refusals: number;
  readonly resends: number;
  readonly storeFailures: number;
  /** How often a process that lives may stand still until its lock runs out. */
  readonly stalls: number;
  readonly signIns: number;
  /** An answer with a pair was lost, or died with its process before it was on disk: the one documented gap. */
  readonly pairLost: boolean;
}

export interface SpoolEntry {
  readonly v: number;
  readonly of: number;
  readonly pair: number;
  readonly attempt: string;
}

export type Place =
  | 'starting'
  | 'idle'
  | 'locking'
  | 'reading'
  | 'marking'
  | 'sending'
  | 'waiting'
  | 'spooling'
  | 'storing'
  | 'killing'
  | 'unmarking'
  | 'unlocking';

export interface Process {
  readonly at: Place;
  /** Counts restarts: what an earlier life did is not mistaken for its own doing. */
  readonly life: number;
  readonly attempts: number;
  /** What it read before it marked. */
  readonly seen: { readonly v: number; readonly found: string; readonly pair: number } | null;
  /** X's answer on its way: a pair, or that the token is spent, or that X did not do anything. */
  readonly answer: number | 'spent' | 'unavailable' | null;
}

/** Parts of the protocol that can be taken out, to see that each is needed. */
export interface Protocol {
  readonly lock: boolean;
  readonly marker: boolean;
  readonly spool: boolean;
  readonly replayFirst: boolean;
  readonly compareOnKill: boolean;
  readonly sharedDisk: boolean;
}

export const wholeProtocol: Protocol = {
  lock: true,
  marker: true,
  spool: true,
  replayFirst: true,
  compareOnKill: true,
  sharedDisk: true,
};

export function createWorld(budget: Partial<World> = {}): World {
  const process: Process = { at: 'idle', life: 0, attempts: 0, seen: null, answer: null };
  return {
    record: { v: 1, st: 'OK', sealed: 0, attempt: null, digest: null, presented: 0, done: null },
    lock: null,
    x: { pair: 0, first: 0, dead: false },
    oldAlive: true,
    disks: [[], []],
    processes: [process, process],
    crashes: 2,
    losses: 1,
    refusals: 1,
    resends: 1,
    storeFailures: 1,
    stalls: 1,
    signIns: 1,
    pairLost: false,
    ...budget,
  };
}
