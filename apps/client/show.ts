import type { Job } from './answers.ts';

export interface Screen {
  readonly write: (text: string) => void;
  /** A line can be drawn over, as on a terminal; otherwise every line stays. */
  readonly redraws: boolean;
}

const barWidth = 24;

/** Shows a job as it goes on: one line that is drawn anew on a terminal, a line for each new message elsewhere. */
export function createProgress({ write, redraws }: Screen) {
  let last = '';
  return {
    show(job: Job): void {
      const filled = Math.round((job.progress / 100) * barWidth);
      const bar = `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${String(job.progress).padStart(3)}%`;
      if (redraws) write(`\r\u001b[2K${bar} ${job.message.slice(0, 60)}`);
      else if (job.message !== last) write(`${bar} ${job.message}\n`);
      last = job.message;
    },
    /** Clears the line for what is said at the end. */
    end: () => write(redraws ? '\r\u001b[2K' : ''),
  };
}

/** A job in a few lines. */
export function describeJob(job: Job): string {
  return [job.message, job.tweet_url ?? job.status_url, ''].join('\n');
}
