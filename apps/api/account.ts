import type { AccountStore } from '#libs/accounts/account-store.ts';
import type { TokenVault } from '#libs/accounts/token-vault.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import type { Spend } from '#libs/jobs/spend.ts';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import type { Log } from '#libs/log/log.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Gate } from '#libs/publish/gate.ts';
import { callX, GateClosedError, toError } from '#libs/publish/x-call.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import type { Prices } from '#libs/x-api/limits.ts';
import type { TokenSet, XOAuth } from '#libs/x-api/oauth.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import { maxWeightedLengthOf } from './post-tweet.ts';
import type { Caller, SignIn } from './sign-in/sign-in.ts';

interface AccountDeps {
  readonly accounts: AccountStore;
  readonly vault: TokenVault;
  readonly jobs: JobStore;
  readonly wakeUps: Pick<WakeUps, 'ended'>;
  readonly signIn: SignIn;
  readonly oauth: XOAuth;
  readonly x: XApi;
  readonly gate: Gate;
  readonly log: Log;
  readonly spend: Spend;
  readonly prices: Prices;
  readonly maxOpenJobs: number;
}

/** What becomes of a job that has begun and is not canceled. */
const endPatch = {
  error: { code: 'reconnect_needed', detail: 'The account was disconnected before the rest was sent.' },
  notBefore: null,
  waitReason: null,
} as const;

export type AccountAnswers = ReturnType<typeof createAccountAnswers>;

export function createAccountAnswers(deps: AccountDeps) {
  /** `GET /me`. */
  async function describe(caller: Caller) {
    const account = await deps.accounts.find(caller.accountId);
    if (!account)
      throw new ProblemError('reconnect_needed', 'This account is no longer connected. Sign in again.');
    const spend = await deps.spend.report(account.id);
    return {
      account: { id: account.id, username: account.username, name: account.name },
      scopes: account.scope,
      connected: account.state === 'connected',
      limits: {
        open_jobs: { used: await deps.jobs.openJobs(account.id), max: deps.maxOpenJobs },
        max_weighted_length: maxWeightedLengthOf(account),
      },
      spend: { month: spend.month, spent_usd: spend.spentUsd, budget_usd: spend.budgetUsd },
    };
  }

  /**
   * `DELETE /me`: our tokens die first, then the account, so that nothing new can come in and nothing that comes in all
   * the same finds a token of X; then the jobs. X hears of it last, whatever became of the rest.
   */
  async function disconnect(caller: Caller) {
    const account = await deps.accounts.find(caller.accountId);
    await deps.signIn.revokeAccount(caller.accountId);
    const tokenSet = await deps.accounts.remove(caller.accountId);
    let canceled = 0;
    let revoked = false;
    try {
      canceled = await cancelAll(caller.accountId);
    } finally {
      revoked = tokenSet !== null && (await revokeAtX(caller.accountId, tokenSet));
    }
    const name = account ? `@${account.username}` : caller.accountId;
    return {
      message: `The X account ${name} is disconnected. ${canceled === 1 ? '1 post that was still in work is' : `${canceled} posts that were still in work are`} canceled.`,
      canceled_jobs: canceled,
      revoked_at_x: revoked,
    };
  }

  async function cancelAll(accountId: string): Promise<number> {
    let canceled = 0;
    for (const jobId of await deps.jobs.openJobIds(accountId)) {
      const job = await deps.jobs.find(jobId).catch(() => null);
      const isCanceled = (await deps.jobs.move(jobId, 'cancel')).done;
      // The rest of a thread, for instance: it must not go out when the account is connected again.
      const isEnded = isCanceled || (await deps.jobs.move(jobId, 'disconnect', { patch: endPatch })).done;
      if (isCanceled) canceled++;
      if (isEnded) await deps.wakeUps.ended(jobId, job?.media.length ?? 0);
    }
    return canceled;
  }

  /** Whether X took the revocation. */
  async function revokeAtX(accountId: string, tokenSet: TokenSet): Promise<boolean> {
    try {
      if (tokenSet.refreshToken) await deps.oauth.revoke(tokenSet.refreshToken, 'refresh_token');
      await deps.oauth.revoke(tokenSet.accessToken, 'access_token');
      return true;
    } catch (error) {
      deps.log.warn({ accountId, err: error }, 'X did not take the revocation of an account');
      return false;
    }
  }

  /** `DELETE /tweets/{tweet_id}`. */
  async function deleteTweet(caller: Caller, tweetId: string) {
    if (!/^\d{1,19}$/.test(tweetId))
      throw new ProblemError('bad_request', 'tweet_id: Must be the digits at the end of the post’s URL.', {
        errors: [{ field: 'tweet_id', message: 'Must be the digits at the end of the post’s URL.' }],
      });
    const { accountId } = caller;
    // It belongs to no job that tells of its calls.
    const calls = { tell: () => {} };
    try {
      await callX({ ...deps, calls }, { jobId: '', accountId, endpoint: 'delete_tweet' }, (call) =>
        deps.x.deleteTweet(tweetId, call),
      );
    } catch (error) {
      const isLimit = error instanceof XAnswerError && error.status === 429;
      const passage = isLimit ? await deps.gate.peek(accountId, 'delete_tweet') : null;
      throw toProblem(passage?.open === false ? toError(passage) : error);
    }
    await deps.spend.book(caller.accountId, deps.prices.deletePost).catch(() => {});
    return { tweet_id: tweetId, deleted: true };
  }

  return { describe, disconnect, deleteTweet };
}

const noCredits = 'The X app has no credits. Its operator has to add credits at X.';
const limited = 'X limits how often this account may do that.';

/** X was not asked: it would refuse, or not answer. */
function toProblemOfGate(closed: GateClosedError): ProblemError {
  const options = { cause: closed, retryAfterSeconds: Math.max(1, Math.ceil(closed.waitMs / 1000)) };
  if (closed.reason === 'credits') return new ProblemError('x_credits_depleted', noCredits, options);
  if (closed.reason === 'x_down')
    return new ProblemError('x_unavailable', 'X is not answering. Try again later.', options);
  return new ProblemError('x_limited', limited, options);
}

/** What X's refusal of a direct call means for the caller. */
function toProblem(error: unknown): unknown {
  if (error instanceof XUnreachableError)
    return new ProblemError('x_unavailable', 'X did not answer. Look at X to see whether it was done.', {
      cause: error,
    });
  if (error instanceof GateClosedError) return toProblemOfGate(error);
  if (!(error instanceof XAnswerError)) return error;
  const reason = error.messages[0] || error.detail || error.title || `status ${error.status}`;
  if (error.status === 401)
    return new ProblemError(
      'reconnect_needed',
      'X no longer accepts the sign-in of this account. Sign in again.',
      { cause: error },
    );
  if (error.status === 402) return new ProblemError('x_credits_depleted', noCredits, { cause: error });
  if (error.status === 404) return new ProblemError('not_found', 'X has no such post.', { cause: error });
  if (error.status === 429)
    return new ProblemError('x_limited', limited, { cause: error, retryAfterSeconds: 60 });
  if (error.status >= 500)
    return new ProblemError('x_unavailable', 'X failed at this. Try again later.', { cause: error });
  return new ProblemError('x_forbidden', `X refused: ${reason}`, { cause: error });
}
