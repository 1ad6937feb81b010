import type { Account } from '#libs/accounts/account-store.ts';
import { costOfPost, estimateCost } from '#libs/jobs/cost.ts';
import type { Order } from '#libs/jobs/order.ts';
import type { Prices } from '#libs/x-api/limits.ts';
import { weightedLength } from '#libs/x-api/weighted-length.ts';
import { judgePost, maxWeightedLengthOf, mostErrors, type PostingDeps } from './post-tweet.ts';
import type { ReadRequest } from './post-tweet-request.ts';
import type { Caller } from './sign-in/sign-in.ts';

interface Remark {
  readonly code: string;
  /** Path in the body. */
  readonly field: string | null;
  readonly message: string;
}

/** The answer of `POST /validateTweet` (`TweetValidation` in openapi.yaml): nothing is fetched, stored or queued. */
export async function validatePost(deps: PostingDeps, caller: Caller, body: unknown) {
  const { order, unusedFiles, addresses, account, broken, objections } = await judgePost(deps, caller, body);
  const problems: Remark[] = [
    ...broken.slice(0, mostErrors).map((fault) => ({ code: 'validation_failed', ...fault })),
    ...objections.map(({ code, detail }) => ({ code, field: null, message: detail })),
  ];
  return {
    valid: problems.length === 0,
    weighted_length: weightedLength(order.posts[0].text ?? '').weightedLength,
    max_weighted_length: maxWeightedLengthOf(account),
    problems,
    warnings: [
      ...priceWarnings(order, deps.prices),
      ...ruleWarnings(order, account),
      ...fileWarnings(unusedFiles),
      ...addressWarnings(addresses, deps),
    ],
    estimated_cost_usd: estimateCost(order, deps.prices).usd,
  };
}

function priceWarnings({ posts }: Order, prices: Prices): Remark[] {
  return posts.flatMap((post, index) => {
    const price = costOfPost(post, prices);
    if (price === prices.post) return [];
    const field = index === 0 ? 'text' : `thread[${index - 1}].text`;
    return [
      { code: 'link_price', field, message: `A link raises the price of a post to $${price.toFixed(2)}.` },
    ];
  });
}

function fileWarnings(unusedFiles: number): Remark[] {
  if (unusedFiles === 0) return [];
  const which = unusedFiles === 1 ? 'one' : unusedFiles;
  const message = `A post holds four files: the last ${which} would be left out.`;
  return [{ code: 'unused_files', field: 'openaiFileIdRefs', message }];
}

/** The post is accepted, and fails when its media is fetched: what a name leads to is only known then. */
function addressWarnings(addresses: ReadRequest['addresses'], { isMediaUrl }: PostingDeps): Remark[] {
  const message =
    'This address is never opened: it must be a public https address on the standard port. The post would fail.';
  return addresses
    .filter(({ url }) => !isMediaUrl(url))
    .map(({ field }) => ({ code: 'media_url_forbidden', field, message }));
}

/** What X refuses most apps or accounts, but not all: only X can tell (docs.x.com, Create Post). */
function ruleWarnings(order: Order, account: Account): Remark[] {
  const warnings: Remark[] = [];
  if (order.replyTo !== null)
    warnings.push({
      code: 'reply_rule',
      field: 'reply_to_tweet_id',
      message: 'X allows a reply only if the author of that post has mentioned or quoted this account.',
    });
  if (order.quoteOf !== null)
    warnings.push({
      code: 'quote_rule',
      field: 'quote_tweet_id',
      message: 'X allows quotes through its API only to Enterprise customers.',
    });
  if (order.replySettings === 'subscribers' && account.subscriptionType === 'None')
    warnings.push({
      code: 'subscribers_rule',
      field: 'reply_settings',
      message: 'X lets only accounts with subscribers keep replies to them.',
    });
  return warnings;
}
