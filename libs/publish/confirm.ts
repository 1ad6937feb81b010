import { randomUUID } from 'node:crypto';
import type { Job, JobError, Observation } from '#libs/jobs/job.ts';
import { redisNow } from '#libs/jobs/job-record.ts';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { Order } from '#libs/jobs/order.ts';
import { UnknownKeyError } from '#libs/sealing/sealing.ts';
import { snowflakeAt } from '#libs/x-api/snowflake.ts';
import type { XExchange, XTweet } from '#libs/x-api/x-api.ts';
import {
  clockBehind,
  nextObservation,
  noObservation,
  planAbsent,
  planConfirm,
  windowStart,
  withAbsentRead,
  withRefusedRead,
} from './confirm-plan.ts';
import { mayHaveForgotten, planLookFirst } from './intent.ts';
import { type ExpectedTweet, isOurs } from './match-tweet.ts';
import type { PublishDeps, RunResult } from './publisher.ts';
import { recordCreated } from './record-outcome.ts';
import { itemsOfPost } from './tweet-draft.ts';
import { callX } from './x-call.ts';

type Look =
  | { readonly found: true }
  /** `othersPost`: one with the same content was seen, and belongs to another job. */
  | { readonly found: false; readonly othersPost?: string }
  | { readonly refused: true };

/**
 * One step of finding out whether X has the post: a read, or a decision. Answers when to come back. How long ago the
 * intent was is told by Redis itself, at this moment.
 */
export async function confirm(deps: PublishDeps, job: Job, order: Order, owner: string): Promise<RunResult> {
  const now = await deps.jobs.clock();
  const seen = job.observation ?? noObservation;
  const plan = (time: number, observation: Observation) =>
    planConfirm(
      { intentAt: job.intentAt ?? now, confirmAfterMs: deps.policy.confirmAfterMs, now: time },
      observation,
    );
  const step = plan(now, seen);
  if (step.kind === 'absent') return await decideAbsent(deps, job, order, owner);
  if (step.kind === 'give_up') {
    await giveUp(deps, job, order, owner);
    return null;
  }
  if (step.at > now) {
    await note(deps, job, owner, seen, step.at);
    return step.at;
  }
  const look = await lookForPost(deps, job, order);
  if ('found' in look && look.found) return job.cursor + 1 < order.posts.length ? now : null;
  const observation = 'refused' in look ? withRefusedRead(seen, now) : withAbsentRead(seen, now, look);
  const next = plan(now, observation);
  const at = next.kind === 'read_at' ? Math.max(next.at, now + 1) : now;
  await note(deps, job, owner, observation, at);
  return at;
}

/** It may be on X although its record knows of no attempt: it is looked for before anything else is done about it. */
export async function lookFirst(deps: Pick<PublishDeps, 'jobs'>, job: Job, owner: string): Promise<void> {
  const { name, facts } = planLookFirst(job, { owner, attemptId: randomUUID() });
  await deps.jobs.move(job.id, name, facts);
}

/** An unconfirmed job is still looked at now and then: X may show the post late. It is never sent again by itself. */
export async function observe(deps: PublishDeps, job: Job, order: Order, owner: string): Promise<RunResult> {
  const now = deps.now();
  const look = await lookForPost(deps, job, order);
  if ('found' in look && look.found) return job.cursor + 1 < order.posts.length ? now : null;
  await observeLater(deps, job, owner);
  return null;
}

/** When it is looked for next, if ever. */
export async function observeLater(deps: PublishDeps, job: Job, owner: string): Promise<void> {
  const next = nextObservation(job.endedAt ?? 0, deps.now());
  // After the last look nothing is due any more; the record stays until its retention ends.
  const check = next === null ? { checkNever: true } : { checkAt: next };
  await deps.jobs.move(job.id, 'lookedAgain', { owner, ...check, patch: { starts: 0 } });
}

async function decideAbsent(deps: PublishDeps, job: Job, order: Order, owner: string): Promise<RunResult> {
  const now = deps.now();
  const about = { owner, attemptId: job.attemptId ?? '', cursor: job.cursor };
  const reject = async (error: JobError) => {
    await deps.jobs.move(job.id, 'rejected', { ...about, patch: { error } });
    return null;
  };
  const plan = planAbsent(job, {
    resendPolicy: deps.policy.resendPolicy,
    now: await deps.jobs.clock(),
  });
  switch (plan) {
    case 'duplicate': {
      const id = job.observation?.othersPost;
      const where = id === undefined ? '' : ` (https://x.com/${job.username}/status/${id})`;
      const detail = `X already has a post of this account with the same text${where}. Change the text to post again.`;
      return await reject({ code: 'duplicate_content', detail });
    }
    case 'expired': {
      const detail = 'X did not take the post before its expires_at. It was not sent again.';
      return await reject({ code: 'expired', detail });
    }
    case 'created':
    case 'give_up':
      await giveUp(deps, job, order, owner);
      return null;
    case 'resend': {
      const patch = { observation: null, notBefore: null, waitReason: null, starts: 0 };
      const moved = await deps.jobs.move(job.id, 'absent', { ...about, checkAfterMs: 10_000, patch });
      return moved.done ? now : null;
    }
  }
}

/** Nothing more can be found out by itself: what X said it created is published, the rest is the user's to judge. */
async function giveUp(deps: PublishDeps, job: Job, order: Order, owner: string): Promise<void> {
  if (job.createdWithoutId) {
    await recordCreated(deps, job, order, { id: null, claim: 'take' });
  } else await leaveUnconfirmed(deps, job, owner);
}

/** Whether X has the post is left to the user to judge; it is still looked for now and then. */
export async function leaveUnconfirmed(deps: PublishDeps, job: Job, owner: string): Promise<void> {
  const detail =
    'X neither confirmed the post nor showed it. Look at your profile on X, then say what you saw: posted, not posted, or send again.';
  await deps.jobs.move(job.id, 'giveUpConfirming', {
    owner,
    attemptId: job.attemptId ?? '',
    cursor: job.cursor,
    checkAfterMs: nextObservation(0, 0) ?? 0,
    patch: { error: { code: 'unconfirmed', detail }, starts: 0 },
  });
}

async function note(
  deps: PublishDeps,
  job: Job,
  owner: string,
  observation: Observation,
  at: number,
): Promise<void> {
  const facts: MoveFacts = { owner, checkAt: at + 5000, patch: { observation, starts: 0 } };
  await deps.jobs.move(job.id, 'note', facts);
}

interface Timeline {
  readonly tweets: readonly XTweet[];
  /** By how much X's clock is behind that of Redis, ms. */
  readonly behindMs: number;
}

/** Reads what the account has posted since then, by X's clock. */
async function readTimeline(deps: PublishDeps, job: Job, since: number): Promise<Timeline> {
  const about = { jobId: job.id, accountId: job.accountId, endpoint: 'user_tweets' } as const;
  let behindMs = 0;
  const tweets = await callX(deps, about, (call) => {
    const observe = (exchange: XExchange) => {
      behindMs = clockBehind(exchange.date, deps.now());
      call.observe?.(exchange);
    };
    return deps.x.recentTweets(job.accountId, { sinceId: snowflakeAt(since) }, { ...call, observe });
  });
  return { tweets, behindMs };
}

/** Reads the account's newest posts and claims ours if it is among them. */
async function lookForPost(deps: PublishDeps, job: Job, order: Order): Promise<Look> {
  const since = windowStart(job);
  let timeline: Timeline;
  try {
    timeline = await readTimeline(deps, job, since);
    // X stamped our post earlier than we take it for: what was read begins too late to show it.
    if (timeline.behindMs > 0) timeline = await readTimeline(deps, job, since - timeline.behindMs);
  } catch (error) {
    if (error instanceof UnknownKeyError) throw error;
    deps.report({ jobId: job.id, level: 'warn', message: 'X did not show the posts of the account', error });
    return { refused: true };
  }
  const { tweets, behindMs } = timeline;
  await deps.spend.book(job.accountId, tweets.length * deps.prices.readOwnPost).catch(() => {});
  const expected = expectedTweet(job, order, since - behindMs);
  let others: { othersPost?: string } = {};
  // Oldest first: of two posts with the same text, the first job gets the first.
  for (const tweet of tweets.filter((candidate) => isOurs(candidate, expected)).toReversed()) {
    const createdAt = tweet.createdAt + behindMs;
    const claimed = await recordCreated(deps, job, order, { id: tweet.id, claim: 'if_free', createdAt });
    if (claimed.done) return { found: true };
    // X may be about to tell another job that this is its post: nothing is known before it has.
    if (claimed.reason === 'contested') return { refused: true };
    if (claimed.reason !== 'claimed') return { found: true };
    others = { othersPost: tweet.id };
  }
  return { found: false, ...others };
}

function expectedTweet(job: Job, order: Order, notBefore: number): ExpectedTweet {
  const indexes = itemsOfPost(job, order, job.cursor);
  const first = job.cursor === 0;
  return {
    text: order.posts[job.cursor]?.text ?? null,
    mediaKeys: indexes.flatMap((index) => job.media[index]?.upload?.mediaKey ?? []),
    mediaReused: indexes.some((index) => job.media[index]?.upload?.reused),
    hasMedia: indexes.length > 0,
    mayHaveOtherMedia: job.observation?.duplicate === true || mayHaveForgotten(job),
    replyTo: first ? order.replyTo : (job.tweets[job.cursor - 1]?.id ?? null),
    quoteOf: first ? order.quoteOf : null,
    notBefore,
  };
}

/** What a record gets when nobody said how its send ended. */
export const unknownOutcome = (): MoveFacts => ({
  checkAfterMs: 5000,
  patch: { observation: noObservation, starts: 0, deadlineAt: redisNow() },
});
