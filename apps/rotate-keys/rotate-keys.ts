import { join } from 'node:path';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import type { Deployment } from '#libs/deployment/find-deployment.ts';
import { keysInUse } from '#libs/deployment/key-holders.ts';
import { createSealedOrders } from '#libs/jobs/reseal-orders.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer, UnsealError } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';

/** What became of the sealed values of a deployment. */
export interface Rotation {
  /** Everything that can be opened is now sealed with this key. */
  readonly currentKid: string;
  readonly resealed: number;
  /** Keys of TOKEN_KEYS that nothing needs any more. */
  readonly unused: readonly string[];
  /** How many values no key of TOKEN_KEYS opens, by the key they ask for; of one that we have: they are damaged. */
  readonly unopened: ReadonlyMap<string, number>;
}

/** Processes that run seal with another key than the first of TOKEN_KEYS here: nothing was changed. */
export class OtherKeysError extends Error {
  /** The keys they seal with. */
  readonly kids: readonly string[];
  constructor(kids: readonly string[]) {
    super(`Running processes seal with ${kids.join(', ')}`);
    this.name = 'OtherKeysError';
    this.kids = kids;
  }
}

/** Things of one kind that hold a sealed value each. */
interface Sealed {
  kidOf(id: string): Promise<string | null>;
  reseal(id: string): Promise<boolean>;
}

/**
 * Seals everything anew with the first of the deployment's keys, while it runs: token sets, orders, the spool of this
 * machine. May be stopped and repeated at any time.
 * @throws OtherKeysError
 */
export async function rotateKeys(
  { redisUrl, secrets, dataDir }: Deployment,
  onProgress: (done: number, total: number) => void,
): Promise<Rotation> {
  await using redis = await connectRedis(redisUrl, 'wait', { timeoutMs: 5000 });
  const sealer = createSealer(secrets.tokenKeys);
  const { currentKid } = sealer;
  const others = [...(await keysInUse(redis)).keys()].filter((kid) => kid !== currentKid);
  if (others.length > 0) throw new OtherKeysError(others);

  const accounts = createAccountStore({ redis, sealer });
  const orders = createSealedOrders({ redis, sealer });
  const work: [Sealed, string][] = [
    ...(await accounts.ids()).map((id): [Sealed, string] => [accounts.tokens, id]),
    ...(await orders.ids()).map((id): [Sealed, string] => [orders, id]),
  ];
  const unopened = new Map<string, number>();
  const count = (kid: string) => unopened.set(kid, (unopened.get(kid) ?? 0) + 1);
  let resealed = 0;
  onProgress(0, work.length);
  for (const [index, [store, id]] of work.entries()) {
    try {
      if (await store.reseal(id)) resealed++;
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      count((await store.kidOf(id).catch(() => null)) ?? 'an unknown key');
    }
    onProgress(index + 1, work.length);
  }
  await using spool = await openSpool(join(dataDir, 'spool'), sealer);
  for (const kid of await spool.reseal()) count(kid);
  const unused = secrets.tokenKeys
    .map(({ kid }) => kid)
    .filter((kid) => kid !== currentKid && !unopened.has(kid));
  return { currentKid, resealed, unused, unopened };
}
