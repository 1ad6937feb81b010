import type { Job } from '#libs/jobs/job.ts';
import type { Order } from '#libs/jobs/order.ts';
import type { TweetDraft } from '#libs/x-api/x-api.ts';

/** The present post of the job as X takes it. */
export function toDraft(job: Job, order: Order): TweetDraft {
  const post = order.posts[job.cursor];
  if (!post) throw new RangeError(`job ${job.id} has no post ${job.cursor}`);
  const mediaIds = itemsOfPost(job, order, job.cursor).flatMap(
    (index) => job.media[index]?.upload?.mediaId ?? [],
  );
  const first = job.cursor === 0;
  return {
    text: post.text ?? undefined,
    mediaIds: mediaIds.length > 0 ? mediaIds : undefined,
    replyTo: (first ? order.replyTo : job.tweets[job.cursor - 1]?.id) ?? undefined,
    quoteOf: (first ? order.quoteOf : null) ?? undefined,
    poll: (first ? order.poll : null) ?? undefined,
    replySettings: (first ? order.replySettings : null) ?? undefined,
    communityId: (first ? order.communityId : null) ?? undefined,
    madeWithAi: order.madeWithAi ?? undefined,
    paidPartnership: order.paidPartnership ?? undefined,
  };
}

/** Indexes of the media items that belong to one post of the order. */
export function itemsOfPost(job: Job, order: Order, post: number): number[] {
  let next = 0;
  for (let index = 0; index < post; index++) next += order.posts[index]?.media.length ?? 0;
  return Array.from({ length: order.posts[post]?.media.length ?? 0 }, (_, item) => next + item).filter(
    (index) => index < job.media.length,
  );
}
