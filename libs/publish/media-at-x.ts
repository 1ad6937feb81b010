import type { Job, MediaItem } from '#libs/jobs/job.ts';
import type { ItemStep, JobPatch } from '#libs/jobs/job-record.ts';
import type { Order } from '#libs/jobs/order.ts';
import { uploadAgain } from './outcome-plan.ts';
import type { PublishDeps } from './publisher.ts';
import { itemsOfPost } from './tweet-draft.ts';
import { lastsLongEnough } from './upload-item.ts';

/**
 * Sends media that is not ready, or that X is about to forget, back to the media workers; true when there is any.
 * After a loss of Redis' memory a post may come this far with its media still in work. Of a thread, the media of all
 * posts to come has to be ready.
 */
export async function mediaNeedsWork(
  { jobs, wakeUps }: Pick<PublishDeps, 'jobs' | 'wakeUps'>,
  job: Job,
  order: Order,
  owner: string,
  now: number,
): Promise<boolean> {
  const isReady = (index: number) => job.media[index]?.stage === 'ready';
  const passed = order.posts.slice(0, job.cursor).flatMap(({ media }) => media).length;
  const inWork = [...job.media.keys()].filter((index) => index >= passed && !isReady(index));
  const stale = itemsOfPost(job, order, job.cursor).filter((index) => {
    const item = job.media[index];
    return item && isReady(index) && !lastsLongEnough(item, now);
  });
  const waitsFor = [...inWork, ...stale];
  if (waitsFor.length === 0) return false;
  const items = { ...asItIs(job, passed), ...uploadAgain(job, stale) };
  const facts = { owner, checkAfterMs: 10_000, patch: { items, starts: 0 } };
  const moved = await jobs.move(job.id, 'mediaAgain', facts);
  if (moved.done) for (const index of waitsFor) await wakeUps.again(job.id, { index });
  return true;
}

/** Items in work stay as they are, their starts forgotten. Those of posts that are on X already hold up nobody. */
function asItIs(job: Job, passed: number): NonNullable<JobPatch['items']> {
  const items: Record<number, { readonly item: MediaItem; readonly step: ItemStep }> = {};
  for (const [index, item] of job.media.entries()) {
    if (item.stage === 'ready') continue;
    if (index < passed) items[index] = { item: { ...item, stage: 'ready' }, step: 'ready' };
    else items[index] = { item, step: item.prepared ? 'prepared' : 'new' };
  }
  return items;
}
