import { z } from 'zod';

/** What this client reads of the API's answers (`Job` and `Problem` in openapi.yaml). Unknown fields are welcome. */
export const Job = z.object({
  job_id: z.string(),
  status: z.string(),
  progress: z.number(),
  message: z.string(),
  status_url: z.string(),
  /** null: the job has ended. */
  next_check_seconds: z.number().nullable(),
  tweet_url: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

export const JobList = z.object({
  jobs: z.array(
    z.object({
      job_id: z.string(),
      status: z.string(),
      created_at: z.string(),
      tweet_text: z.string().nullable(),
      tweet_url: z.string().nullable(),
    }),
  ),
});

export const Uploaded = z.object({ media_id: z.string() });

const Problem = z.object({ title: z.string(), detail: z.string().default(''), type: z.string().default('') });

/** The server said no. The message is for whoever sits at the terminal. */
export class Refusal extends Error {
  readonly status: number;
  readonly retryAfterSeconds: number | null;

  constructor(status: number, body: string, retryAfter: string | null) {
    super(explain(status, body));
    this.name = 'Refusal';
    this.status = status;
    this.retryAfterSeconds = retryAfter === null ? null : Number(retryAfter) || null;
  }
}

function explain(status: number, body: string): string {
  try {
    const { title, detail, type } = Problem.parse(JSON.parse(body));
    return [`${title}. ${detail}`.trim(), type && `More: ${type}`].filter(Boolean).join('\n');
  } catch {
    return `The server answered with status ${status}. Is this a post-to-x server?`;
  }
}
