import { setTimeout as delay } from 'node:timers/promises';
import { costOfPost } from '#libs/jobs/cost.ts';
import { isClosed, type Job } from '#libs/jobs/job.ts';
import { toCallLine } from '#libs/jobs/job-calls.ts';
import type { MoveFacts, MoveResult } from '#libs/jobs/job-store.ts';
import { type MoveName, moves } from '#libs/jobs/moves.ts';
import type { Order } from '#libs/jobs/order.ts';
import type { XExchange } from '#libs/x-api/x-api.ts';
import { rememberMediaOf } from './media-memory.ts';
import { type PlannedMove, planCreated, planCreatedLate, planOutcome } from './outcome-plan.ts';
import type { PublishDeps } from './publisher.ts';
import type { Verdict } from './verdict.ts';

const keepTryingMs = 10 * 60_000;
/** Redis has this long to take an outcome before it also goes to the spool. */
const spoolAfterMs = 1000;

/** The kind of outcome that the spool keeps when Redis does not take it: what X has cannot be asked again. */
export const outcomeKind = 'outcome';

type Deps = Pick<
  PublishDeps,
  'jobs' | 'policy' | 'gate' | 'spool' | 'spend' | 'calls' | 'mediaMemory' | 'prices' | 'report' | 'now'
>;

/** Writes down that X has the present post; the thread goes on, or the job is published. */
export async function recordCreated(
  deps: Deps,
  job: Job,
  order: Order,
  tweet: NonNullable<MoveFacts['tweet']>,
): Promise<MoveResult> {
  return await carryOut(deps, job, order, planCreated(job, order, tweet));
}

/** Writes down what the answer to one attempt means for the job, with the calls that led to it. */
export async function recordOutcome(
  deps: Deps,
  job: Job,
  order: Order,
  verdict: Verdict,
  exchanges: readonly XExchange[] = [],
): Promise<{ readonly ended: boolean }> {
  const refusedForNow = verdict.kind === 'limited' || verdict.kind === 'credits';
  const passage = refusedForNow ? await deps.gate.peek(job.accountId, 'create_tweet') : null;
  const context = {
    now: deps.now(),
    opensAt: passage?.open === false ? passage.until : null,
    random: Math.random(),
    giveUpAfterMs: deps.policy.giveUpAfterMs,
  };
  const planned = planOutcome(job, order, verdict, context);
  const calls = exchanges.map((exchange) => toCallLine({ ...exchange, at: Date.now() }));
  const { done } = await carryOut(deps, job, order, { ...planned, facts: { ...planned.facts, calls } });
  if (!done) for (const exchange of exchanges) deps.calls.tell(job.id, exchange);
  return { ended: done && isEnd(moves[planned.name].to) };
}

const isEnd = (to: (typeof moves)[MoveName]['to']): boolean => to !== 'same' && isClosed(to);

/** What X has created it has also charged for, and its media may be used again. */
async function carryOut(deps: Deps, job: Job, order: Order, planned: PlannedMove): Promise<MoveResult> {
  const post = order.posts[job.cursor];
  if (!planned.facts.tweet || !post) return await moveWhatever(deps, job, planned);
  const charge = deps.spend.chargeOf(job.accountId, costOfPost(post, deps.prices));
  const charged = { ...planned, facts: { ...planned.facts, charge } };
  let result = await moveWhatever(deps, job, charged);
  const late = !result.done && result.reason === 'state' ? planCreatedLate(charged) : null;
  if (late) result = await moveWhatever(deps, job, late);
  // A convenience: losing it costs an upload, never a post.
  if (result.done) await rememberMediaOf(deps.mediaMemory, job, order).catch(() => {});
  return result;
}

/**
 * A move that must not be lost for want of Redis: repeated for ten minutes; what X has created goes to the spool as
 * soon as Redis refuses or hesitates, so that a crash meanwhile does not lose the id either.
 */
async function moveWhatever(deps: Deps, job: Job, { name, facts }: PlannedMove): Promise<MoveResult> {
  const moveId = `${name}:${job.attemptId ?? job.id}:${job.cursor}:${job.fence}`;
  const until = performance.now() + keepTryingMs;
  let spooled: Promise<string | null> | null = null;
  const spool = () => {
    if (facts.tweet) spooled ??= spoolOutcome(deps, job, name, { ...facts, moveId });
  };
  // A connection that waits for Redis to come back neither resolves nor rejects meanwhile.
  const hesitation = setTimeout(spool, spoolAfterMs);
  try {
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
      try {
        const result = await deps.jobs.move(job.id, name, { ...facts, moveId });
        const entry = await spooled;
        if (entry !== null) await deps.spool.drop(entry).catch(() => {});
        return result;
      } catch (error) {
        spool();
        if (performance.now() > until) throw error;
        await delay(pauseMs);
      }
    }
  } finally {
    clearTimeout(hesitation);
  }
}

async function spoolOutcome(deps: Deps, job: Job, name: MoveName, facts: MoveFacts): Promise<string | null> {
  try {
    return await deps.spool.append(outcomeKind, { jobId: job.id, accountId: job.accountId, name, facts });
  } catch (error) {
    deps.report({
      jobId: job.id,
      level: 'error',
      message: 'An outcome could be written neither to Redis nor to the spool',
      error,
    });
    return null;
  }
}
