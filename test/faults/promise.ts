import type { JobView } from '#libs/jobs/job-view.ts';

/** A tweet in X's books. */
interface Booked {
  readonly id: string;
  readonly text: string;
}

/**
 * Holds one job that has ended against what X really has, and says what is wrong. `marks`: the words by which the
 * posts of the job, its thread included, are known in X's books. Never two posts of one mark; published means all of
 * them, under the ids that were told; failed and canceled mean none but those that the job lists.
 */
export function brokenPromises(
  job: Pick<JobView, 'job_id' | 'status' | 'tweets' | 'error'>,
  marks: readonly string[],
  books: readonly Booked[],
): string[] {
  const really = marks.map((mark) =>
    books.filter((tweet) => tweet.text.split(/\s/).includes(mark)).map(({ id }) => id),
  );
  const told = job.tweets.map((tweet) => tweet.tweet_id);
  const on = really.flat();
  const broken: string[] = [];
  const complain = (what: string) =>
    broken.push(
      `${job.job_id} (${job.status}, ${job.error?.code ?? 'no error'}): ${what}; told ${JSON.stringify(told)}, X has ${JSON.stringify(really)}`,
    );
  if (really.some((ids) => ids.length > 1)) complain('posted twice');
  else if (job.status === 'published') {
    if (on.length !== marks.length) complain('published, and not all is on X');
    else if (!told.includes(null) && told.join() !== on.join()) complain('other ids than those of X');
  } else if (job.status === 'failed' || job.status === 'canceled') {
    if (told.join() !== on.join()) complain('more or less on X than the job lists');
  } else if (job.status !== 'unconfirmed') complain('not ended');
  return broken;
}
