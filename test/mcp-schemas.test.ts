import { describe, expect, it } from 'vitest';
import { createTools, type Tool } from '#apps/api/mcp-tools.ts';
import { postSchema } from '#apps/api/post-tweet-schema.ts';
import { loadContract, type Schema } from './openapi-contract.ts';

const { schemas } = loadContract('https://posts.example.org').components;

/** A schema of the document with what it refers to in its place. */
function inlined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inlined);
  if (typeof value !== 'object' || value === null) return value;
  if ('$ref' in value) return inlined(schemas[String(value.$ref).split('/').at(-1) ?? '']);
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, inlined(child)]));
}

it('the fields of a post are described to MCP clients exactly as openapi.yaml describes them', () => {
  const { properties, ...request } = inlined(schemas.PostTweetRequest) as Schema & { properties: Schema };
  const { openaiFileIdRefs: _, ...others } = properties;
  expect(postSchema()).toEqual({ ...request, properties: others });
});

describe('what the tools answer', () => {
  const outputs = new Map(createTools().map(({ name, outputSchema }) => [name as string, outputSchema]));

  it.each([
    ['post_tweet', 'Job'],
    ['get_job', 'Job'],
    ['cancel_job', 'Job'],
    ['resolve_job', 'Job'],
    ['list_jobs', 'JobList'],
    ['validate_tweet', 'TweetValidation'],
    ['delete_tweet', 'DeletedTweet'],
  ])('%s is the %s of openapi.yaml', (tool, schema) => {
    expect(outputs.get(tool)).toEqual(inlined(schemas[schema]));
  });

  it('get_account is the Me of openapi.yaml with the id and name that ChatGPT shows', () => {
    const me = inlined(schemas.Me) as Schema & { properties: Schema; required: string[] };
    const { properties, required, ...others } = outputs.get('get_account') as typeof me;
    const { id, name, ...kept } = properties;
    expect({ ...others, properties: kept }).toEqual({ type: me.type, properties: me.properties });
    expect(required).toEqual(['id', 'name', ...me.required]);
    expect([id, name]).toMatchObject([{ type: 'string' }, { type: 'string' }]);
  });
});

describe('the tools', () => {
  const tools = createTools();

  it('say truly what they do to the world', () => {
    const hints = (hint: keyof Tool['annotations']) =>
      tools
        .filter(({ annotations }) => annotations[hint])
        .map(({ name }) => name)
        .sort();
    expect(hints('readOnlyHint')).toEqual(['get_account', 'get_job', 'list_jobs', 'validate_tweet']);
    expect(hints('destructiveHint')).toEqual(['cancel_job', 'delete_tweet']);
    expect(hints('openWorldHint')).toEqual(['delete_tweet', 'post_tweet', 'resolve_job']);
    expect(hints('idempotentHint')).not.toContain('resolve_job');
  });

  it('are closed, describe each argument, and hold an answer for at most 40 seconds', () => {
    for (const { inputSchema, name } of tools) {
      expect(inputSchema, name).toMatchObject({ type: 'object', additionalProperties: false });
      for (const property of Object.values(inputSchema.properties as Record<string, Schema>))
        expect(property.description, name).toEqual(expect.any(String));
    }
    for (const name of ['post_tweet', 'get_job'])
      expect(tools.find((tool) => tool.name === name)?.inputSchema).toMatchObject({
        properties: { wait_seconds: { type: 'integer', minimum: 0, maximum: 40, default: 25 } },
      });
  });

  it('tell ChatGPT how to sign in, where files go and which one is the profile', () => {
    for (const { securitySchemes, _meta } of tools) {
      expect(securitySchemes).toMatchObject([
        { type: 'oauth2', scopes: expect.arrayContaining(['users.read']) },
      ]);
      expect(_meta.securitySchemes).toEqual(securitySchemes);
    }
    const [post] = tools;
    const files = post?._meta['openai/fileParams'] as string[];
    for (const file of files)
      expect(post?.inputSchema.properties).toMatchObject({
        [file]: { type: 'object', required: ['download_url', 'file_id'] },
      });
    expect(tools.filter(({ _meta }) => _meta['openai/profile']).map(({ name }) => name)).toEqual([
      'get_account',
    ]);
  });
});
