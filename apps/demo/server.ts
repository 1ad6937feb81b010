import { z } from 'zod';
import { readEvents } from './events.ts';

/** What the demo reads of a job. */
const Job = z.object({
  job_id: z.string(),
  status: z.string(),
  stage: z.string().nullable(),
  progress: z.number(),
  message: z.string(),
  tweet_id: z.string().nullable(),
  tweet_url: z.string().nullable(),
  replayed: z.boolean(),
  media: z.array(z.object({ index: z.int(), status: z.string(), progress: z.number() })),
});
export type Job = z.infer<typeof Job>;

const Problem = z.object({ title: z.string(), detail: z.string() });

/** What a post consists of; field names as in the HTTP API. */
export interface Post {
  readonly text: string;
  readonly media_url?: string;
  readonly media_urls?: readonly string[];
  readonly alt_texts?: readonly string[];
  readonly request_id: string;
}

/** The server as any program sees it: its public HTTP API and nothing else. */
export interface Server {
  post(post: Post): Promise<Job>;
  /** The job at each change until it has ended; the last one is its end. */
  follow(jobId: string): AsyncGenerator<Job>;
}

/** The server said no; the message is its own. */
export class ServerError extends Error {}

/** Speaks to the server at `url` for the account that `token` belongs to. */
export function connectServer(url: string, token: string): Server {
  const call = async (path: string, body?: object): Promise<Response> => {
    const answer = await fetch(new URL(path, url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (answer.ok) return answer;
    const problem = Problem.safeParse(await answer.json().catch(() => null));
    const said = problem.success
      ? `${problem.data.title}: ${problem.data.detail}`
      : `status ${answer.status}`;
    throw new ServerError(`The server refused ${path}. ${said}`);
  };
  return {
    post: async (post) => Job.parse(await (await call('/postTweet', post)).json()),
    async *follow(jobId) {
      const { body } = await call(`/jobs/${jobId}/events`);
      if (body === null) throw new ServerError('The server sent an empty stream of events.');
      for await (const data of readEvents(body, 'job')) yield Job.parse(JSON.parse(data));
    },
  };
}
