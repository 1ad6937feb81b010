import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Spool } from '#libs/spool/spool.ts';
import { XUnreachableError } from '#libs/x-api/errors.ts';
import type { XOAuth } from '#libs/x-api/oauth.ts';
import type { AccountStore } from './account-store.ts';
import { judgeFailure, nextStep, type TokenNeed, type TokenRecord } from './refresh.ts';
import { type RefreshLock, takeRefreshLock } from './refresh-lock.ts';
import { keepRotation, replayRotations } from './rotations.ts';
import { digestOf } from './token-store.ts';

export type { TokenNeed };

/** Fresh X access tokens. One refresh at a time per account over all processes; no pair is ever lost or overwritten. */
export interface TokenVault extends AsyncDisposable {
  /**
   * An X access token of the account.
   * @throws ProblemError `reconnect_needed` when the account is gone or X no longer takes its tokens;
   *   UnknownKeyError when its tokens were sealed with a key that is missing here;
   *   XUnreachableError or XAnswerError when no new token is to be had now and the old one is of no use.
   */
  accessToken(accountId: string, need?: TokenNeed): Promise<string>;
  /** Stores what X gave to processes that could not store it. Resolves to how many pairs were. See `keepReplaying`. */
  replaySpool(): Promise<number>;
  /**
   * This process is about to end: who waits for what others do about a token waits no longer and is refused (any error),
   * and no refresh is begun any more. One that is going on is finished.
   */
  leave(): void;
}

export interface TokenVaultDeps {
  readonly accounts: AccountStore;
  readonly oauth: XOAuth;
  readonly spool: Spool;
  readonly redis: Redis;
  readonly now?: (() => number) | undefined;
  /** How long processes on other disks get to store what lies there, before a token is presented again. */
  readonly othersStoreWithinMs?: number | undefined;
}

/** What a renewal goes by: besides the above, which presentation of this process has brought no pair, for each account. */
interface Renewing extends TokenVaultDeps {
  readonly unanswered: Map<string, string>;
  /** Fires when this process is about to end. */
  readonly leaving: AbortSignal;
}

const defaultMinValidMs = 10 * 60_000;
/** From writing the marker to sending the request: a process that was frozen longer must not send any more. */
const sendWithinMs = 5000;
/** A refresh takes 35 s at most; whoever holds the lock longer has died. */
const waitForOtherMs = 75_000;
/** They do it as soon as Redis is back (`keepReplaying`). Longer would be a wait in which this process may end as well. */
const usualOthersStoreMs = 3000;

/** Opens the vault. Disposing of it waits for refreshes that are going on. */
export function createTokenVault(options: TokenVaultDeps): TokenVault {
  const leaving = new AbortController();
  const deps: Renewing = { ...options, unanswered: new Map(), leaving: leaving.signal };
  const { accounts, now = Date.now } = deps;
  const { tokens } = accounts;
  const renewals = new Map<string, Promise<void>>();
  /** Callers of this process share one renewal of an account. */
  const share = (accountId: string, need: TokenNeed, version: number) => {
    const known = renewals.get(accountId);
    if (known) return known;
    const renewal = renew(deps, accountId, need, version).finally(() => renewals.delete(accountId));
    renewals.set(accountId, renewal);
    return renewal;
  };
  return {
    async accessToken(accountId, need = {}) {
      const wanted = { ...need, minValidMs: spread(accountId, need.minValidMs ?? defaultMinValidMs) };
      let failure: unknown;
      // Two presentations at most: the second one after the first remained unanswered, or was another caller's.
      for (let round = 0; round < 3; round++) {
        const record = await tokens.read(accountId);
        // After a renewal a token is taken as it is, however short X made its life; after a failure while it lives.
        const step = nextStep(record, round === 0 ? wanted : { ...need, minValidMs: 1 }, now());
        if (record && step === 'use') return record.accessToken;
        if (step === 'dead') throw await reconnectNeeded(deps, accountId, record);
        if (!record || step === 'later' || round === 2) break;
        if (failure !== undefined && judgeFailure(failure) !== 'unknown') throw failure;
        failure = undefined;
        await share(accountId, wanted, record.version).catch((error: unknown) => {
          if (error instanceof ProblemError) throw error;
          failure = error;
        });
      }
      throw failure ?? new XUnreachableError('X left a token refresh unanswered', { sent: false });
    },
    replaySpool: () => replayRotations(deps),
    leave: () => leaving.abort(),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(renewals.values());
    },
  };
}

/** Resolves when somebody, maybe we, has moved the record on from the version that was not good enough. */
async function renew(deps: Renewing, accountId: string, need: TokenNeed, version: number): Promise<void> {
  const { accounts, redis, now = Date.now, othersStoreWithinMs = usualOthersStoreMs, leaving } = deps;
  leaving.throwIfAborted();
  const read = async () => {
    const record = await accounts.tokens.read(accountId);
    return record?.version === version && nextStep(record, need, now()) === 'ask' ? record : null;
  };
  const startedAt = performance.now();
  let lock = await takeRefreshLock(redis, accountId);
  for (let pauseMs = 25; !lock; pauseMs = Math.min(2 * pauseMs, 500)) {
    await sleep(pauseMs, undefined, { signal: leaving });
    if (!(await read())) return;
    if (performance.now() - startedAt > waitForOtherMs)
      throw new XUnreachableError('Another process is still refreshing the token', { sent: false });
    lock = await takeRefreshLock(redis, accountId);
  }
  try {
    let record = await read();
    // What X gave to a process that died may lie on this disk: then there is no need to ask again.
    if (record?.attempt && (await replayRotations(deps, accountId)) > 0) return;
    // Or on that of another machine, which stores it within moments now that there is a Redis.
    const until = performance.now() + othersStoreWithinMs;
    while (
      record?.attempt &&
      record.attempt.id !== deps.unanswered.get(accountId) &&
      performance.now() < until
    ) {
      await sleep(Math.min(250, othersStoreWithinMs / 4), undefined, { signal: leaving });
      record = await read();
    }
    if (!record) return;
    await present(deps, accountId, record, lock);
  } finally {
    await lock.release();
  }
}

/** Presents the refresh token once, between a durable marker and a durable answer. */
async function present(
  deps: Renewing,
  accountId: string,
  record: TokenRecord,
  lock: RefreshLock,
): Promise<void> {
  const { accounts, oauth, unanswered } = deps;
  const { version, refreshToken } = record;
  if (refreshToken === null) return;
  const attemptId = randomUUID();
  unanswered.set(accountId, attemptId);
  const markedAt = performance.now();
  if (!(await accounts.tokens.mark(accountId, record, attemptId, lock))) return;
  if (performance.now() - markedAt > sendWithinMs) {
    await accounts.tokens.unmark(accountId, attemptId);
    throw new XUnreachableError('Redis was too slow to refresh a token safely', { sent: false });
  }
  try {
    // No signal: a refresh token works once, and a lost answer may lose the account.
    const tokenSet = await oauth.refresh(refreshToken);
    unanswered.delete(accountId);
    await keepRotation(deps, { accountId, version, attemptId, digest: digestOf(refreshToken), tokenSet });
  } catch (error) {
    const verdict = judgeFailure(error);
    if (verdict === 'untouched') await accounts.tokens.unmark(accountId, attemptId);
    // The compare-and-set is the second look: whoever stored a pair meanwhile has moved the version.
    if (verdict === 'spent') await accounts.tokens.kill(accountId, version, attemptId);
    if (verdict !== 'spent') throw error;
  }
}

/** An access token that ran out, with no refresh token beside it, is as dead as a refused one: that is stored too. */
async function reconnectNeeded(
  { accounts }: TokenVaultDeps,
  accountId: string,
  record: TokenRecord | null,
): Promise<ProblemError> {
  if (record && record.state !== 'dead')
    await accounts.tokens.kill(accountId, record.version, record.attempt?.id ?? '');
  return new ProblemError('reconnect_needed', 'X no longer accepts this connection. Sign in again to post.');
}

/** Up to a tenth more, differing by account, so that accounts connected together do not refresh together. */
function spread(accountId: string, minValidMs: number): number {
  const share = Buffer.from(digestOf(accountId), 'base64url').readUInt16BE(0) / 2 ** 16;
  return minValidMs + Math.floor((minValidMs / 10) * share);
}
