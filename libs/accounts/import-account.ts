import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Spool } from '#libs/spool/spool.ts';
import type { XUser } from '#libs/x-api/client.ts';
import { XAnswerError } from '#libs/x-api/errors.ts';
import type { TokenSet, XOAuth } from '#libs/x-api/oauth.ts';
import type { Account, AccountStore } from './account-store.ts';
import { mayConnect } from './may-connect.ts';
import { judgeFailure } from './refresh.ts';
import { takeRefreshLock } from './refresh-lock.ts';
import { digestOf } from './token-store.ts';

interface ImportDeps {
  readonly accounts: AccountStore;
  readonly oauth: XOAuth;
  /** The X user that an access token stands for (`GET /2/users/me`). */
  readonly whoIs: (accessToken: string) => Promise<XUser>;
  readonly spool: Spool;
  readonly redis: Redis;
  /** X usernames in lower case, or ids, that may connect; empty: anyone. */
  readonly allowedXUsers: readonly string[];
  readonly now?: (() => number) | undefined;
}

/** Tokens that another program got from X for the same app. */
export interface ForeignTokens {
  readonly refreshToken: string;
  /** Empty: not known. */
  readonly scope: readonly string[];
}

/**
 * Why an import did not come about. `spent`: X no longer takes the refresh token. `refused`: X does not take this app's
 * credentials or request. `untouched`: X was not reached, the token is as good as before. `unknown`: X may have used it
 * up. `kept`: the new pair is on disk, and the same import goes on from there. `not_allowed`: the pair was revoked.
 */
export class ImportError extends Error {
  readonly reason: 'spent' | 'refused' | 'untouched' | 'unknown' | 'kept' | 'not_allowed' | 'busy';
  /** The X user, for `not_allowed`. */
  readonly username: string | null;
  constructor(reason: ImportError['reason'], options: ErrorOptions & { username?: string } = {}) {
    super(`The import ended: ${reason}`, options);
    this.name = 'ImportError';
    this.reason = reason;
    this.username = options.username ?? null;
  }
}

const spoolKind = 'imported-token-set';
const storeForMs = 10_000;

const SpooledImport = z.object({
  /** Of the refresh token that the import began with. */
  digest: z.string(),
  tokenSet: z.object({
    accessToken: z.string(),
    refreshToken: z.string().nullable(),
    expiresAt: z.number(),
    lifetimeMs: z.number().optional(),
    scope: z.array(z.string()),
  }),
});

/** The pair on its way into the vault, and where it lies on disk meanwhile. */
interface Held {
  readonly tokenSet: TokenSet;
  readonly spooled: string;
}

/**
 * Takes an account over: refreshes its tokens at X, asks whose they are and seals them into the vault. A refresh token
 * works once, so the new pair is on disk before anything else is done, and a second call with the same tokens goes on
 * where the first one ended.
 * @throws ImportError
 */
export async function importAccount(deps: ImportDeps, tokens: ForeignTokens): Promise<Account> {
  const digest = digestOf(tokens.refreshToken);
  // Two imports of the same file would present the same token, and X would take the whole family back.
  const lock = await takeRefreshLock(deps.redis, `import:${digest}`);
  if (!lock) throw new ImportError('busy');
  try {
    const held = await obtain(deps, tokens, digest);
    const user = await deps.whoIs(held.tokenSet.accessToken).catch((cause: unknown) => {
      throw new ImportError('kept', { cause });
    });
    if (!mayConnect(user, deps.allowedXUsers)) return await turnAway(deps, held, user);
    const account = await store(deps, user, held.tokenSet);
    await deps.spool.drop(held.spooled);
    return account;
  } finally {
    await lock.release();
  }
}

/** What an earlier try left on disk, or what X gives for the token now. */
async function obtain(deps: ImportDeps, tokens: ForeignTokens, digest: string): Promise<Held> {
  const now = (deps.now ?? Date.now)();
  const earlier = await findSpooled(deps.spool, digest);
  if (earlier && earlier.tokenSet.expiresAt > now + 60_000) return earlier;
  const refreshToken = earlier?.tokenSet.refreshToken ?? tokens.refreshToken;
  const known = earlier?.tokenSet.scope ?? tokens.scope;
  const answer = await deps.oauth.refresh(refreshToken).catch((cause: unknown) => {
    throw new ImportError(judge(cause), { cause });
  });
  // RFC 6749 section 5.1: a scope that is not named is the one that was granted before.
  const tokenSet = answer.scope.length > 0 ? answer : { ...answer, scope: known };
  const spooled = await deps.spool.append(spoolKind, { digest, tokenSet });
  if (earlier) await deps.spool.drop(earlier.spooled);
  return { tokenSet, spooled };
}

async function findSpooled(spool: Spool, digest: string): Promise<Held | null> {
  const found = (await spool.entries(spoolKind)).flatMap(({ id, entry }) => {
    const parsed = SpooledImport.safeParse(entry).data;
    return parsed?.digest === digest ? [{ tokenSet: parsed.tokenSet, spooled: id }] : [];
  });
  // Killed between a second refresh and the end of the first entry: the later pair is the one that works.
  return found.toSorted((a, b) => b.tokenSet.expiresAt - a.tokenSet.expiresAt)[0] ?? null;
}

function judge(error: unknown): ImportError['reason'] {
  const verdict = judgeFailure(error);
  return verdict === 'untouched' && error instanceof XAnswerError ? 'refused' : verdict;
}

async function turnAway(
  { oauth, spool }: ImportDeps,
  { tokenSet, spooled }: Held,
  user: XUser,
): Promise<never> {
  await Promise.allSettled([
    oauth.revoke(tokenSet.refreshToken ?? '', 'refresh_token'),
    oauth.revoke(tokenSet.accessToken, 'access_token'),
  ]);
  await spool.drop(spooled);
  throw new ImportError('not_allowed', { username: user.username });
}

async function store({ accounts }: ImportDeps, user: XUser, tokenSet: TokenSet): Promise<Account> {
  const startedAt = performance.now();
  for (;;)
    try {
      return await accounts.connect(user, tokenSet);
    } catch (cause) {
      if (performance.now() - startedAt > storeForMs) throw new ImportError('kept', { cause });
      await sleep(500);
    }
}
