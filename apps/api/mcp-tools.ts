import { z } from 'zod';
import { fileFields, inputSchemaOf, type ToolName } from './mcp-arguments.ts';
import { schemaOf } from './openapi.ts';
import type { JsonSchema } from './post-tweet-schema.ts';

/** A tool as `tools/list` shows it. */
export interface Tool {
  readonly name: ToolName;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: JsonSchema & { readonly type: 'object' };
  readonly outputSchema: JsonSchema;
  readonly annotations: Annotations;
  /** What ChatGPT reads to know that and how to sign in. */
  readonly securitySchemes: readonly { readonly type: 'oauth2'; readonly scopes: readonly string[] }[];
  readonly _meta: Readonly<Record<string, unknown>>;
}

interface Annotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

const reads: Annotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
const acts: Annotations = { ...reads, readOnlyHint: false };

const scopes = {
  read: ['tweet.read', 'users.read'],
  write: ['tweet.read', 'tweet.write', 'users.read'],
  post: ['tweet.read', 'tweet.write', 'users.read', 'media.write'],
};

/** Tools that do nothing without this right of the token. */
export function scopeNeeded(tool: string): string | null {
  return ['post_tweet', 'delete_tweet', 'cancel_job', 'resolve_job'].includes(tool) ? 'tweet.write' : null;
}

/** Everything that can be done through `/mcp`. */
export function createTools(): readonly Tool[] {
  const job = schemaOf('Job');
  return [
    tool('post_tweet', {
      title: 'Post to X',
      description:
        'Posts to X as the signed-in account, now or at publish_at: text, images, a GIF or a video, a poll, a thread, a reply. Call it only when the user wants exactly this post published. The same request_id never posts twice. Answers with a job; when its status is not an end (published, failed, canceled, unconfirmed), call get_job with its job_id.',
      output: job,
      annotations: { ...acts, openWorldHint: true },
      scopes: scopes.post,
      meta: { 'openai/fileParams': fileFields },
    }),
    tool('get_job', {
      title: 'Look at a post in work',
      description:
        'Tells how a post is doing, and waits up to wait_seconds for its end. Repeat it at most three times in a row, then tell the user the status_url.',
      output: job,
      annotations: reads,
      scopes: scopes.read,
    }),
    tool('list_jobs', {
      title: 'List posts',
      description:
        'Lists the posts of this account that are in work or ended in the last 48 hours, newest first.',
      output: schemaOf('JobList'),
      annotations: reads,
      scopes: scopes.read,
    }),
    tool('cancel_job', {
      title: 'Cancel a post',
      description:
        'Stops a post that is not sent yet, a scheduled one for example. Once sending has begun it is too late.',
      output: job,
      annotations: { ...acts, destructiveHint: true },
      scopes: scopes.write,
    }),
    tool('resolve_job', {
      title: 'Settle an unconfirmed post',
      description:
        'Only for a job whose status is unconfirmed: ask the user to look at X, then say whether the post is there (posted, not_posted), or resend to post it again because it is not.',
      output: job,
      annotations: { ...acts, idempotentHint: false, openWorldHint: true },
      scopes: scopes.write,
    }),
    tool('validate_tweet', {
      title: 'Check a post',
      description:
        'Checks a post without posting it: its length as X counts it, every problem, and what X charges for it. Takes what post_tweet takes.',
      output: schemaOf('TweetValidation'),
      annotations: reads,
      scopes: scopes.read,
      meta: { 'openai/fileParams': fileFields },
    }),
    tool('delete_tweet', {
      title: 'Delete a post from X',
      description:
        'Deletes a published post of the account from X. This cannot be undone: ask the user first.',
      output: schemaOf('DeletedTweet'),
      annotations: { ...acts, destructiveHint: true, openWorldHint: true },
      scopes: scopes.write,
    }),
    tool('get_account', {
      title: 'Show the X account',
      description: 'Tells which X account posts go to, what it may do, and what its posts cost this month.',
      output: profileSchema(),
      annotations: reads,
      scopes: scopes.read,
      meta: { 'openai/profile': true },
    }),
  ];
}

interface ToolParts {
  readonly title: string;
  readonly description: string;
  readonly output: JsonSchema;
  readonly annotations: Annotations;
  readonly scopes: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
}

function tool(name: ToolName, { title, description, output, annotations, ...rest }: ToolParts): Tool {
  const securitySchemes = [{ type: 'oauth2' as const, scopes: rest.scopes }];
  return {
    name,
    title,
    description,
    inputSchema: { ...inputSchemaOf(name), type: 'object' },
    outputSchema: output,
    annotations: { ...annotations },
    securitySchemes,
    _meta: { securitySchemes, ...rest.meta },
  };
}

/** `Me`, with the id and name that ChatGPT shows for a connected account. */
function profileSchema(): JsonSchema {
  const me = schemaOf('Me');
  return {
    ...me,
    required: ['id', 'name', ...z.array(z.string()).parse(me.required)],
    properties: {
      id: { type: 'string', description: 'Id of the user at X.' },
      name: { type: 'string', description: 'The account as @handle.' },
      ...z.record(z.string(), z.unknown()).parse(me.properties),
    },
  };
}
