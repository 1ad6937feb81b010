import type { AcceptRequest } from './accept-job.ts';
import type { JobStore } from './job-store.ts';
import type { Order } from './order.ts';

/** One plain post with this text, or what is given besides. */
export const orderOf = (text = 'Hello', given: Partial<Order> = {}): Order => ({
  posts: [{ text, media: [], altTexts: [] }],
  replyTo: null,
  quoteOf: null,
  poll: null,
  replySettings: null,
  communityId: null,
  madeWithAi: null,
  paidPartnership: null,
  publishAt: null,
  expiresAt: null,
  ...given,
});

/** What the store is asked to accept: that order for account 7, or what is given besides. */
export const requestOf = (given: Partial<AcceptRequest> = {}): AcceptRequest => ({
  accountId: '7',
  username: 'ada',
  clientId: 'c',
  order: orderOf(),
  idempotencyKey: null,
  allowDuplicate: true,
  maxOpenJobs: 1000,
  wakeAlong: () => {},
  ...given,
});

/** Has it accepted. Resolves to the id of its job. */
export async function acceptedId(
  jobs: Pick<JobStore, 'accept'>,
  given: Partial<AcceptRequest> = {},
): Promise<string> {
  const outcome = await jobs.accept(requestOf(given));
  if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
  return outcome.jobId;
}
