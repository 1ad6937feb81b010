import { estimateCost } from '#libs/jobs/cost.ts';
import { weightedLength } from '#libs/x-api/weighted-length.ts';
import { judgePost, maxWeightedLengthOf, type PostingDeps } from './post-tweet.ts';
import type { Caller } from './sign-in/sign-in.ts';

/** The answer of `POST /validateTweet` (`TweetValidation` in openapi.yaml): nothing is fetched, stored or queued. */
export async function validatePost(deps: PostingDeps, caller: Caller, body: unknown) {
  const { order, account, problems } = await judgePost(deps, caller, body);
  const cost = estimateCost(order, deps.prices);
  const overBudget = await deps.spend.refusal(caller.accountId, cost.usd);
  const warnings = [
    ...(cost.hasLink
      ? [
          {
            code: 'link_price',
            field: 'text',
            message: `A link raises the price of a post to $${deps.prices.postWithUrl.toFixed(2)}.`,
          },
        ]
      : []),
    ...(order.replyTo
      ? [
          {
            code: 'reply_rule',
            field: 'reply_to_tweet_id',
            message: 'X allows a reply only if the author of that post has mentioned or quoted this account.',
          },
        ]
      : []),
    ...(order.quoteOf
      ? [
          {
            code: 'quote_rule',
            field: 'quote_tweet_id',
            message: 'X allows quotes through its API only to Enterprise customers.',
          },
        ]
      : []),
  ];
  const found = [
    ...problems.map(({ field, message }) => ({ code: 'validation_failed', field, message })),
    ...(overBudget === null ? [] : [{ code: 'budget_exceeded', field: null, message: overBudget }]),
  ];
  return {
    valid: found.length === 0,
    weighted_length: weightedLength(order.posts[0].text ?? '').weightedLength,
    max_weighted_length: maxWeightedLengthOf(account),
    problems: found,
    warnings,
    estimated_cost_usd: cost.usd,
  };
}
