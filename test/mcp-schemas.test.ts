import { expect, it } from 'vitest';
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
