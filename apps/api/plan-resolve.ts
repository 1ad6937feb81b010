import type { Job } from '#libs/jobs/job.ts';
import { neverTried, redisNow } from '#libs/jobs/job-record.ts';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { snowflakeTime } from '#libs/x-api/snowflake.ts';
import type { UserWord } from './requests.ts';

/** Clocks of X and ours may differ by so much. */
const toleranceMs = 60_000;
const checkAfterMs = 5000;

/**
 * The user's word on an unconfirmed post, as a move of its record. In the middle of a thread the next post answers the
 * one that the user names; a post that is there without being named is looked for first. `posts`: of the whole order;
 * `now`: epoch ms.
 * @throws {ProblemError} validation_failed
 */
export function planResolve(
  job: Job,
  { outcome, tweet_id }: UserWord,
  { posts, now }: { posts: number; now: number },
): [MoveName, MoveFacts] {
  const { cursor } = job;
  const id = tweet_id ?? null;
  if (id !== null) checkTweetId(job, id, { outcome, now });
  switch (outcome) {
    case 'resend':
      return ['resolveResend', { cursor, checkAfterMs, patch: neverTried }];
    case 'not_posted': {
      const which = posts === 1 ? 'the post' : `post ${cursor + 1} of the thread`;
      const detail = `X gave no clear answer when it was sent, and you said that X does not have ${which}.`;
      return ['resolveNotPosted', { cursor, patch: { error: { code: 'x_unavailable', detail } } }];
    }
    case 'posted': {
      const tweet = { id, claim: 'if_free' } as const;
      if (cursor + 1 >= posts)
        return ['resolvePosted', { cursor, tweet, patch: { createdWithoutId: id === null, error: null } }];
      if (id !== null)
        return [
          'resolvePostedNext',
          { cursor, tweet, checkAfterMs, patch: { ...neverTried, cursor: cursor + 1 } },
        ];
      return ['resolvePostedLook', { cursor, checkAfterMs, patch: lookOnce }];
    }
  }
}

/** Looked for as after an answer without an id: what the earlier reads showed does not count any more. */
const lookOnce = {
  createdWithoutId: true,
  intentAt: redisNow(),
  observation: null,
  notBefore: null,
  waitReason: null,
  error: null,
  starts: 0,
} as const;

function checkTweetId(job: Job, id: string, { outcome, now }: { outcome: string; now: number }): void {
  if (outcome !== 'posted') throw wrongTweetId('Only with the outcome posted.');
  const at = snowflakeTime(id);
  if (at < job.acceptedAt - toleranceMs || at > now + toleranceMs)
    throw wrongTweetId('Must be a post that was made after this one was accepted.');
  if (job.tweets.some((tweet) => tweet.id === id))
    throw wrongTweetId('Must not be an earlier post of the same thread.');
}

/** A post that cannot be the one in question. */
export function wrongTweetId(message: string): ProblemError {
  return new ProblemError('validation_failed', `tweet_id: ${message}`, {
    errors: [{ field: 'tweet_id', message }],
  });
}
