import type { Account, AccountStore } from '#libs/accounts/account-store.ts';
import { accountKey } from '#libs/accounts/token-store.ts';
import { checkOrder, longestText } from '#libs/jobs/check-order.ts';
import { estimateCost } from '#libs/jobs/cost.ts';
import type { Job } from '#libs/jobs/job.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import { mediaOf, type Order, type PostOrder } from '#libs/jobs/order.ts';
import type { Spend } from '#libs/jobs/spend.ts';
import type { UploadStore } from '#libs/jobs/upload-store.ts';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import { type FieldError, ProblemError } from '#libs/problem/problem.ts';
import { type Prices, xLimits } from '#libs/x-api/limits.ts';
import { agreeOnKey } from './idempotency-key.ts';
import { type ReadRequest, readPostTweetRequest } from './post-tweet-request.ts';
import type { Caller } from './sign-in/sign-in.ts';

export interface PostingDeps {
  readonly jobs: JobStore;
  readonly accounts: AccountStore;
  readonly uploads: UploadStore;
  readonly wakeUps: WakeUps;
  readonly spend: Spend;
  readonly prices: Prices;
  /** The most jobs of one account that may be in work. */
  readonly maxOpenJobs: number;
  /** Whether media at this address may be fetched, as far as the address itself tells. */
  readonly isMediaUrl: (url: string) => boolean;
  /** Throws while nothing can be accepted safely. */
  readonly ensureDurable: () => Promise<void>;
  readonly now?: () => number;
}

export interface Accepted {
  readonly jobId: string;
  /** Its record as it was written just now; null where this was accepted before. */
  readonly job: Job | null;
  /** What it says, likewise. */
  readonly order: Order | null;
  readonly replayed: boolean;
  readonly duplicateOfRecent: boolean;
  readonly waitSeconds: number;
}

/** Accepts a post: the answer may go out once this resolves, and not before. @throws {ProblemError} */
export async function acceptPost(
  deps: PostingDeps,
  caller: Caller,
  body: unknown,
  /** The `Idempotency-Key` headers of the request. */
  keys: readonly string[] = [],
): Promise<Accepted> {
  const request = readPostTweetRequest(body);
  const { key, faults } = agreeOnKey(request.requestId, keys);
  const { order, waitSeconds } = request;
  const account = await connectedAccount(deps, caller);
  const broken = await judgeRequest(deps, account, request, faults);
  const objections =
    broken.length > 0 ? [refusal('validation_failed', broken)] : await findObjections(deps, account, order);
  if (objections[0]) {
    // A repetition of what was accepted is answered even where its times have passed or the budget is spent meanwhile.
    // What cannot be read as it stands repeats nothing.
    const isLegible = faults.length === 0 && request.broken.length === 0;
    const known =
      isLegible && !(key === null && request.allowDuplicate)
        ? await deps.jobs.findRepeat({ ...caller, order }, key)
        : null;
    if (known === null) throw objections[0];
    const repeats = { replayed: key !== null, duplicateOfRecent: key === null };
    return { jobId: known, job: null, order: null, ...repeats, waitSeconds };
  }
  await deps.ensureDurable();
  const outcome = await deps.jobs.accept({
    accountId: caller.accountId,
    username: account.username,
    clientId: caller.clientId,
    order,
    idempotencyKey: key,
    allowDuplicate: request.allowDuplicate,
    maxOpenJobs: deps.maxOpenJobs,
    onlyWith: caller.standing ?? { keys: [accountKey(caller.accountId)] },
    // Along with the post itself, because each write costs Redis a sync of its disk. Should it turn out to be none,
    // a worker finds no such job.
    wakeAlong: (jobId, openJobs) => void wake(deps, jobId, order, openJobs),
  });
  switch (outcome.kind) {
    case 'key_reused':
      throw new ProblemError(
        'idempotency_key_reused',
        'This request_id was already used for a post with other content. Use a new request_id for each new post.',
      );
    case 'too_many':
      throw tooManyOpen(outcome.openJobs);
    case 'gone':
      throw notConnected();
    case 'accepted':
      // Not waited for: the post is safe, and its answer is made meanwhile.
      if (outcome.isToBeWoken) void wake(deps, outcome.jobId, order, outcome.openJobs);
  }
  return {
    jobId: outcome.jobId,
    job: outcome.kind === 'accepted' ? outcome.job : null,
    order: outcome.kind === 'accepted' ? order : null,
    replayed: outcome.kind === 'replayed',
    duplicateOfRecent: outcome.kind === 'recent',
    waitSeconds,
  };
}

/** The same judgement without accepting anything: what `POST /validateTweet` tells. */
export async function judgePost(deps: PostingDeps, caller: Caller, body: unknown) {
  const request = readPostTweetRequest(body);
  const account = await connectedAccount(deps, caller);
  const { unusedFiles, addresses } = request;
  const broken = await judgeRequest(deps, account, request);
  const order = shortened(request.order);
  const objections = await findObjections(deps, account, order);
  const openJobs = await deps.jobs.openJobs(account.id);
  if (openJobs >= deps.maxOpenJobs) objections.push(tooManyOpen(openJobs));
  return { order, unusedFiles, addresses, account, broken, objections };
}

/** What is too long to be posted by anybody need not be weighed and priced to its end. */
function shortened({ posts: [first, ...thread], ...order }: Order): Order {
  const shorten = (post: PostOrder) => ({ ...post, text: post.text?.slice(0, 2 * longestText) ?? null });
  return { ...order, posts: [shorten(first), ...thread.map(shorten)] };
}

/** Best effort: what is missed here the sweeper does a few seconds later. */
async function wake(deps: PostingDeps, jobId: string, order: Order, openJobs: number): Promise<void> {
  const items = mediaOf(order);
  const wakes =
    items.length === 0
      ? [deps.wakeUps.add(jobId, { openJobs, ...(order.publishAt === null ? {} : { at: order.publishAt }) })]
      : items.map((_, index) => deps.wakeUps.add(jobId, { index, openJobs }));
  await Promise.allSettled(wakes);
}

/** @throws {ProblemError} reconnect_needed */
export async function connectedAccount(
  { accounts }: Pick<PostingDeps, 'accounts'>,
  caller: Caller,
): Promise<Account> {
  const account = caller.account === undefined ? await accounts.find(caller.accountId) : caller.account;
  if (account?.state === 'connected') return account;
  throw notConnected();
}

const notConnected = () =>
  new ProblemError(
    'reconnect_needed',
    'X no longer accepts the sign-in of this account. Sign in again, then post again.',
  );

/** The longest text of the account, as X counts it. */
export function maxWeightedLengthOf(account: Account): number {
  const premium = account.subscriptionType !== null && account.subscriptionType !== 'None';
  return premium ? xLimits.text.maxWeightedLengthPremium : xLimits.text.maxWeightedLength;
}

/** The rules that the request breaks. @throws {ProblemError} bad_request for a malformed one, naming these as well */
async function judgeRequest(
  deps: PostingDeps,
  account: Account,
  request: ReadRequest,
  faults: readonly FieldError[] = [],
): Promise<FieldError[]> {
  const { malformed, undecided } = request;
  const judged = await judgeOrder(deps, account, request.order);
  const broken = [...faults, ...request.broken, ...judged.filter(({ field }) => !undecided.has(field))];
  if (malformed.length > 0) throw refusal('bad_request', [...malformed, ...broken]);
  return broken;
}

async function judgeOrder(deps: PostingDeps, account: Account, order: Order): Promise<FieldError[]> {
  const now = (deps.now ?? Date.now)();
  const uploadKinds = new Map<string, 'image' | 'gif' | 'video'>();
  const missing: FieldError[] = [];
  for (const [index, { source, post }] of mediaOf(order).entries()) {
    if (source.kind !== 'upload') continue;
    const upload = await deps.uploads.find(source.mediaId, account.id);
    if (upload) uploadKinds.set(source.mediaId, upload.kind);
    else
      missing.push({
        field: post === 0 ? 'media_ids' : `thread[${post - 1}].media_ids`,
        message: `Media ${index + 1} does not exist or has expired. Upload it again with POST /media.`,
      });
  }
  const context = { now, maxWeightedLength: maxWeightedLengthOf(account), uploadKinds };
  return [...checkOrder(order, context), ...missing];
}

/** What stands against an order that breaks no rule: the rights and the means of the account. */
async function findObjections(deps: PostingDeps, account: Account, order: Order): Promise<ProblemError[]> {
  const overBudget = await deps.spend.refusal(account.id, estimateCost(order, deps.prices).usd);
  return [
    ...missingScope(account, order),
    ...(overBudget === null ? [] : [new ProblemError('budget_exceeded', overBudget)]),
  ];
}

/** X names no scope at all when it granted what was asked for (RFC 6749 section 5.1). */
function missingScope(account: Account, order: Order): ProblemError[] {
  if (account.scope.length === 0) return [];
  const needed = ['tweet.write', ...(mediaOf(order).length > 0 ? ['media.write'] : [])];
  const missing = needed.filter((scope) => !account.scope.includes(scope));
  if (missing.length === 0) return [];
  const detail = `This account was connected without the right ${missing.join(' and ')}. Allow everything that X lists when you connect it.`;
  return [new ProblemError('missing_scope', detail)];
}

const tooManyOpen = (openJobs: number) =>
  new ProblemError(
    'too_many_open_jobs',
    `${openJobs} posts of this account are in work or scheduled. Wait until some have ended, or cancel some.`,
    { retryAfterSeconds: 30 },
  );

/** More than a long thread can have wrong, and few enough that an answer stays far below 100,000 characters. */
export const mostErrors = 300;

function refusal(code: 'bad_request' | 'validation_failed', errors: readonly FieldError[]): ProblemError {
  const shown = errors.slice(0, mostErrors);
  const detail = shown.map(({ field, message }) => `${field}: ${message}`).join(' ');
  return new ProblemError(code, detail.length > 900 ? `${detail.slice(0, 900)}…` : detail, { errors: shown });
}
