import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Spool } from '#libs/spool/spool.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { AccountStore } from './account-store.ts';
import type { Rotation } from './token-store.ts';

interface RotationDeps {
  readonly accounts: AccountStore;
  readonly oauth: XOAuth;
  readonly spool: Spool;
}

const spoolKind = 'token-set';
const storeForMs = 10_000;

const SpooledRotation = z.object({
  accountId: z.string(),
  version: z.number(),
  attemptId: z.string(),
  digest: z.string(),
  tokenSet: z.object({
    accessToken: z.string(),
    refreshToken: z.string().nullable(),
    expiresAt: z.number(),
    lifetimeMs: z.number().optional(),
    scope: z.array(z.string()),
  }),
});

/**
 * Keeps a pair that X has just handed out: disk first, then Redis, then the disk is cleared, so that no crash loses it.
 * @throws when Redis does not take it within 10 s; it then lies in the spool.
 */
export async function keepRotation(deps: RotationDeps, rotation: Rotation): Promise<void> {
  // A full disk is no reason to give the pair up: Redis may well take it.
  const spooled = await deps.spool.append(spoolKind, rotation).catch(() => null);
  const startedAt = performance.now();
  for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 1000)) {
    try {
      await store(deps, rotation);
      break;
    } catch (error) {
      if (performance.now() - startedAt > storeForMs) throw error;
      await sleep(pauseMs);
    }
  }
  if (spooled !== null) await deps.spool.drop(spooled).catch(() => {});
}

/** Stores the spooled pairs of one account, or of all. Resolves to how many were still wanted. */
export async function replayRotations(deps: RotationDeps, accountId?: string): Promise<number> {
  let stored = 0;
  for (const { id, entry } of await deps.spool.entries(spoolKind)) {
    const rotation = SpooledRotation.safeParse(entry).data;
    if (!rotation || (accountId ?? rotation.accountId) !== rotation.accountId) continue;
    if (await store(deps, rotation)) stored++;
    await deps.spool.drop(id);
  }
  return stored;
}

async function store({ accounts, oauth }: RotationDeps, rotation: Rotation): Promise<boolean> {
  const result = await accounts.tokens.rotate(rotation);
  const { refreshToken } = rotation.tokenSet;
  // The user disconnected meanwhile: the new pair must not stay alive. Best effort, as nobody would wait for it.
  if (result === 'gone' && refreshToken) await oauth.revoke(refreshToken, 'refresh_token').catch(() => {});
  return result === 'stored';
}
