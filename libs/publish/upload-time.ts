import type { Job } from '#libs/jobs/job.ts';

/** A scheduled post's media is fetched at once, but uploaded only this long before its time: X forgets it in a day. */
const uploadAheadMs = 15 * 60_000;

/** From when on the media of a job is to be uploaded, epoch ms; long ago where it is not scheduled. */
export const uploadTime = ({ publishAt }: Pick<Job, 'publishAt'>): number => (publishAt ?? 0) - uploadAheadMs;
