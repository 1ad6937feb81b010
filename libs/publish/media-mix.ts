import type { Job } from '#libs/jobs/job.ts';
import type { Order } from '#libs/jobs/order.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { itemsOfPost } from './tweet-draft.ts';

/**
 * What the bytes turned out to be must go together in each post: up to four images, or one GIF, or one video.
 * @throws {ProblemError} media_unsupported
 */
export function checkMediaMix(job: Job, order: Order): void {
  for (const post of order.posts.keys()) {
    const kinds = itemsOfPost(job, order, post).map((index) => job.media[index]?.prepared?.kind);
    const moving = kinds.find((kind) => kind === 'gif' || kind === 'video');
    if (moving && kinds.length > 1) {
      const name = moving === 'gif' ? 'a GIF' : 'a video';
      throw new ProblemError(
        'media_unsupported',
        `A post holds up to four images, or one GIF, or one video: ${name} goes alone.`,
      );
    }
  }
}
