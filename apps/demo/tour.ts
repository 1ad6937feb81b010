import { randomUUID } from 'node:crypto';
import { createLiveLines, type Output, renderJob, renderTable } from './screen.ts';
import { connectServer, type Job, type Post, type Server } from './server.ts';
import { signIn } from './sign-in.ts';

interface TourOptions {
  readonly url: string;
  readonly output: Output;
}

/**
 * Signs in and posts a text, a picture and four pictures, all through the public HTTP API.
 * Resolves to whether every post was published.
 */
export async function runTour({ url, output }: TourOptions): Promise<boolean> {
  const say = (text: string) => void output.write(`${text}\n`);
  say(`\nSigning in at ${url}/startAuth`);
  const { token, username, xUrl } = await signIn(url);
  say(`  Connected as @${username}.`);
  const server = connectServer(url, token);
  const done: { title: string; job: Job }[] = [];
  for (const [title, post] of plan(xUrl)) {
    say(`\n${title}`);
    done.push({ title, job: await postAndFollow(server, post, output) });
  }
  await postTwice(server, say);
  say(`\nThe posts, to be seen at ${xUrl}/\n`);
  const rows = done.map(({ title, job }) => [title, job.status, job.tweet_url ?? job.message]);
  say(renderTable([['Post', 'Status', 'URL'], ...rows]));
  return done.every(({ job }) => job.status === 'published');
}

/** The time makes each tour's posts new: X refuses the same text twice. */
function plan(xUrl: string): [title: string, post: Post][] {
  const at = new Date().toLocaleTimeString('en-GB');
  const picture = (number: number) => `${xUrl}/samples/${number}.jpg`;
  const post = (text: string, media: Partial<Post> = {}): Post => ({
    text: `${text} (${at})`,
    request_id: randomUUID(),
    ...media,
  });
  return [
    ['A text', post('Hello from a server of my own')],
    ['A picture from a URL', post('Good morning', { media_url: picture(1), alt_texts: ['A sunrise'] })],
    ['Four pictures', post('One day in four pictures', { media_urls: [1, 2, 3, 4].map(picture) })],
  ];
}

async function postAndFollow(server: Server, post: Post, output: Output): Promise<Job> {
  const show = createLiveLines(output);
  let job = await server.post(post);
  show(renderJob(job));
  for await (job of server.follow(job.job_id)) show(renderJob(job));
  return job;
}

/** A client whose connection broke does not know whether its post was accepted, and asks again. */
async function postTwice(server: Server, say: (text: string) => void): Promise<void> {
  say('\nThe same request twice, as after a broken connection');
  const post = { text: `Only once, please (${randomUUID().slice(0, 8)})`, request_id: randomUUID() };
  const [first, second] = [await server.post(post), await server.post(post)];
  say(
    second.job_id === first.job_id && second.replayed
      ? '  Both answers name the same job: one post.'
      : '  The answers name two jobs: that is a bug.',
  );
}
