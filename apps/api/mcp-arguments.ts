import { z } from 'zod';
import { type JsonSchema, postSchema } from './post-tweet-schema.ts';
import { resolveFields, statuses } from './requests.ts';

/** How long a tool call may be held: assistants drop calls that take a minute. */
const waitSeconds = {
  type: 'integer',
  minimum: 0,
  maximum: 40,
  default: 25,
  description: 'Hold the answer until the job ends or this many seconds have passed.',
};

/** What a call holds the answer for when it does not say. */
export const usualWaitSeconds = waitSeconds.default;

/** Arguments of `post_tweet` that ChatGPT fills with files from the conversation. */
export const fileFields = ['file', 'file_2', 'file_3', 'file_4'] as const;

const jobId = z.string('Must be the job_id of an earlier answer.').meta({
  description: 'The job_id of an earlier answer.',
});
const wait = z
  .int('Must be a whole number from 0 to 40.')
  .min(0, 'Must be a whole number from 0 to 40.')
  .max(40, 'Must be a whole number from 0 to 40.');

/** What the tools other than those with a whole post take. */
export const toolArguments = {
  get_job: z.strictObject({ job_id: jobId, wait_seconds: wait.default(usualWaitSeconds).meta(waitSeconds) }),
  list_jobs: z.strictObject({
    status: z
      .enum(statuses, `Must be one of ${statuses.join(', ')}.`)
      .optional()
      .meta({ description: 'Only jobs with this status.' }),
    limit: z
      .int('Must be a whole number from 1 to 100.')
      .min(1, 'Must be a whole number from 1 to 100.')
      .max(100, 'Must be a whole number from 1 to 100.')
      .default(20)
      .meta({ description: 'At most so many.' }),
    cursor: z
      .string('Must be the next_cursor of an earlier answer.')
      .optional()
      .meta({ description: 'The next_cursor of an earlier answer.' }),
  }),
  cancel_job: z.strictObject({ job_id: jobId }),
  resolve_job: z.strictObject({ job_id: jobId, ...resolveFields }),
  delete_tweet: z.strictObject({
    tweet_id: z
      .string('Must be the digits at the end of the post’s URL.')
      .meta({ pattern: '^[0-9]{1,19}$', description: 'The digits at the end of the post’s URL.' }),
  }),
  get_account: z.strictObject({}),
} as const;

export type ToolName = keyof typeof toolArguments | 'post_tweet' | 'validate_tweet';

/** What a tool takes, as JSON Schema: made of what judges the same request at the HTTP API. */
export function inputSchemaOf(name: ToolName): JsonSchema {
  if (name === 'post_tweet' || name === 'validate_tweet') return postInput(name);
  const { $schema: _, ...schema } = z.toJSONSchema(toolArguments[name], { io: 'input' });
  return schema;
}

function postInput(name: 'post_tweet' | 'validate_tweet'): JsonSchema {
  const { properties, ...schema } = postSchema();
  const { wait_seconds: _, ...others } = properties;
  const waiting = name === 'post_tweet' ? { wait_seconds: waitSeconds } : {};
  return { ...schema, properties: { ...others, ...waiting, ...fileProperties() } };
}

/** Objects as ChatGPT hands files over. */
function fileProperties(): JsonSchema {
  const file = {
    type: 'object',
    required: ['download_url', 'file_id'],
    additionalProperties: false,
    description: 'A file from the conversation: an image, GIF or video; up to four images.',
    properties: {
      download_url: { type: 'string', description: 'Where the bytes are, for a few minutes.' },
      file_id: { type: 'string', description: 'Id of the file.' },
      mime_type: { type: 'string', description: 'What it is said to be.' },
      file_name: { type: 'string', description: 'Its name.' },
    },
  };
  return Object.fromEntries(fileFields.map((name) => [name, file]));
}
