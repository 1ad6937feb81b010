import { randomUUID } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Job, JobList, Uploaded } from './answers.ts';
import { type Api, createApi } from './api.ts';
import type { Credentials } from './credentials.ts';
import { followJob } from './follow-job.ts';
import { createProgress, describeJob, type Screen } from './show.ts';
import { clientOf, signInByBrowser, signInByCode } from './sign-in.ts';

export const usage = `npm run x -- <command>: posts to X through a post-to-x server

  sign-in                    connects through the browser (--code CODE: with the code of the page after /startAuth)
  post "text"                posts
      --media FILE           an image, GIF or video; up to four images
      --media-url URL        the same from the web
      --alt TEXT             description of the image, in the order of the images
      --reply-to ID          as a reply to this post
      --at TIME              later, as in 2026-11-22T09:00:00Z
      --wait                 follows the post to its end
  status JOB                 how a post is doing (--wait: to its end)
  list                       the latest posts
  cancel JOB                 stops a post that is not sent yet
  sign-out                   revokes and forgets this client's tokens

  --server URL               which server (default: the last one, or http://localhost:PORT; 5000 if PORT is not set)

Ends with 0 when all is well, 1 when not (a post that failed), 2 when the command is not understood.
`;

export interface ClientDeps {
  readonly argv: readonly string[];
  readonly credentials: Credentials;
  /** The server that is meant where none is named, and none was used before. */
  readonly usualServer: string;
  readonly screen: Screen;
  /** Opens an address in the user's browser, if there is one. */
  readonly openUrl: (url: string) => void;
}

const options = {
  server: { type: 'string' },
  code: { type: 'string' },
  media: { type: 'string', multiple: true },
  'media-url': { type: 'string', multiple: true },
  alt: { type: 'string', multiple: true },
  'reply-to': { type: 'string' },
  at: { type: 'string' },
  wait: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];

const parse = (argv: readonly string[]) => parseArgs({ args: [...argv], options, allowPositionals: true });

/** Runs one command; resolves to the exit code. Errors that a user can act on are printed, others are thrown. */
export async function runClient(deps: ClientDeps): Promise<number> {
  const { write } = deps.screen;
  try {
    const { values, positionals } = parse(deps.argv);
    const [command, ...rest] = positionals;
    if (values.help || command === undefined) {
      write(usage);
      return values.help ? 0 : 2;
    }
    const server = toServer(values.server ?? (await deps.credentials.current()) ?? deps.usualServer);
    return await runCommand(command, rest, values, server, deps);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    write(`${error.message}\n`);
    return isUsageError(error) ? 2 : 1;
  }
}

async function runCommand(
  command: string,
  rest: readonly string[],
  values: Values,
  server: string,
  { credentials, screen, openUrl }: ClientDeps,
): Promise<number> {
  const api = createApi(server, credentials);
  const [first] = rest;
  switch (command) {
    case 'sign-in': {
      const tokens = await (values.code === undefined
        ? signInByBrowser(server, (url) => {
            screen.write(`Open this address to sign in, if no browser opens by itself:\n${url}\n`);
            openUrl(url);
          })
        : signInByCode(server, values.code));
      await credentials.save(server, tokens);
      screen.write(`Signed in at ${server}.\n`);
      return 0;
    }
    case 'sign-out':
      return await signOut(server, credentials, screen);
    case 'post':
      return await follow(api, await post(api, first, values), values, screen);
    case 'status':
      return await follow(api, await api.ask(Job, `/jobs/${idOf(first)}`), values, screen);
    case 'cancel':
      screen.write(describeJob(await api.ask(Job, `/jobs/${idOf(first)}/cancel`, { method: 'POST' })));
      return 0;
    case 'list':
      return await list(api, screen);
    default:
      throw new UsageError(`There is no command ${command}.\n\n${usage}`);
  }
}

async function post(api: Api, text: string | undefined, values: Values): Promise<Job> {
  const { alt, at } = values;
  const files = values.media ?? [];
  const urls = values['media-url'] ?? [];
  if (text === undefined && files.length + urls.length === 0)
    throw new UsageError('There is nothing to post: give a text, --media or --media-url.');
  const ids = await Promise.all(files.map((file) => upload(api, file)));
  return await api.ask(Job, '/postTweet', {
    method: 'POST',
    json: {
      // Repeated when no answer came: the server takes the same id for the same post.
      request_id: randomUUID(),
      ...(text === undefined ? {} : { text }),
      ...(ids.length > 0 ? { media_ids: ids } : {}),
      ...(urls.length > 0 ? { media_urls: urls } : {}),
      ...(alt === undefined ? {} : { alt_texts: alt }),
      ...(values['reply-to'] === undefined ? {} : { reply_to_tweet_id: values['reply-to'] }),
      ...(at === undefined ? {} : { publish_at: at }),
    },
  });
}

async function upload(api: Api, file: string): Promise<string> {
  const form = new FormData();
  const blob = await openAsBlob(file).catch((cause: unknown) => {
    throw new UsageError(`${file} cannot be read.`, { cause });
  });
  form.set('media', blob, basename(file));
  return (await api.ask(Uploaded, '/media', { method: 'POST', form })).media_id;
}

/** Shows the job, to its end with `--wait`. 1: it did not end well. */
async function follow(api: Api, job: Job, { wait }: Values, screen: Screen): Promise<number> {
  let now = job;
  if (wait && job.next_check_seconds !== null) {
    const progress = createProgress(screen);
    for await (now of followJob(api, job.job_id)) progress.show(now);
    progress.end();
  }
  screen.write(describeJob(now));
  if (now.next_check_seconds !== null) screen.write(`Follow it: npm run x -- status ${now.job_id} --wait\n`);
  return now.next_check_seconds === null && now.status !== 'published' && now.status !== 'canceled' ? 1 : 0;
}

async function list(api: Api, screen: Screen): Promise<number> {
  const { jobs } = await api.ask(JobList, '/jobs?limit=20');
  for (const job of jobs) {
    const text = (job.tweet_text ?? '').replaceAll(/\s+/g, ' ').slice(0, 50);
    screen.write(`${job.job_id}  ${job.created_at.slice(0, 16)}  ${job.status.padEnd(11)}  ${text}\n`);
  }
  if (jobs.length === 0) screen.write('No posts yet.\n');
  return 0;
}

async function signOut(server: string, credentials: Credentials, screen: Screen): Promise<number> {
  const tokens = await credentials.find(server);
  if (tokens) {
    const body = new URLSearchParams({ token: tokens.refreshToken, ...clientOf(tokens) });
    await fetch(`${server}/oauth/revoke`, { method: 'POST', body });
    await credentials.forget(server);
  }
  screen.write(`Signed out at ${server}.\n`);
  return 0;
}

function idOf(value: string | undefined): string {
  // The address of a job does as well.
  const id = /([0-9a-f]{32})$/.exec(value ?? '')?.[1];
  if (id) return id;
  throw new UsageError('Name the job: the id or the address that `post` printed.');
}

function toServer(value: string): string {
  const url = URL.parse(value);
  if (url && ['http:', 'https:'].includes(url.protocol)) return url.origin;
  throw new UsageError('--server: Must be an address such as https://posts.example.org.');
}

class UsageError extends Error {}

function isUsageError(error: Error): boolean {
  return error instanceof UsageError || ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
}
