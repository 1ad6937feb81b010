import type { Sealer } from '#libs/sealing/sealing.ts';

/** Results that Redis has not taken yet: local, encrypted, on disk before `append` resolves. */
export interface Spool extends AsyncDisposable {
  /** Resolves to the entry's id once it is durable. */
  append(kind: string, entry: object): Promise<string>;
  /** Forgets an entry; an unknown id is fine. */
  drop(id: string): Promise<void>;
  entries(kind: string): Promise<{ readonly id: string; readonly entry: unknown }[]>;
}

/** Opens the spool in the folder `dir`, which is made if needed. */
export async function openSpool(_dir: string, _sealer: Sealer): Promise<Spool> {
  throw new Error('being written');
}
