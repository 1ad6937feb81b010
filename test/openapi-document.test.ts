import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { problemKinds } from '#libs/problem/problem.ts';
import { loadContract, operationsOf, resolve, type Schema } from './openapi-contract.ts';
import { createMatcher } from './openapi-matcher.ts';

const publicUrl = 'https://posts.example.org';
const whole = loadContract(publicUrl, 'all');
const forGpt = loadContract(publicUrl, 'gpt');
const gptOperations = operationsOf(forGpt);

describe('what a GPT imports', () => {
  it('is OpenAPI 3.1 with this deployment as its only server', () => {
    expect(forGpt.openapi).toBe('3.1.0');
    expect(forGpt.servers.map((server) => server.url)).toEqual([publicUrl]);
  });

  it('signs in by OAuth on the same domain and by nothing else', () => {
    expect(Object.values(forGpt.components.securitySchemes)).toMatchObject([
      {
        type: 'oauth2',
        flows: {
          authorizationCode: {
            authorizationUrl: `${publicUrl}/oauth/authorize`,
            tokenUrl: `${publicUrl}/oauth/token`,
          },
        },
      },
    ]);
  });

  it('names no other host than this deployment', () => {
    const hosts = new Set(JSON.stringify(forGpt).match(/https?:\/\/[^/"\s]+/g));
    expect([...hosts]).toEqual([publicUrl]);
  });

  it('has at most 30 operations, among them all that a GPT needs', () => {
    expect(gptOperations.length).toBeLessThanOrEqual(30);
    expect(gptOperations.map(({ operation }) => operation.operationId).sort()).toEqual([
      'cancelJob',
      'deleteTweet',
      'disconnectAccount',
      'getAccount',
      'getJob',
      'listJobs',
      'postTweet',
      'resolveJob',
      'validateTweet',
    ]);
  });

  it('keeps within 300 characters per summary and description, 700 per parameter and property', () => {
    for (const { operation } of gptOperations) {
      expect(operation.summary.length, operation.operationId).toBeLessThanOrEqual(300);
      expect(operation.description.length, operation.operationId).toBeLessThanOrEqual(300);
      for (const parameter of operation.parameters ?? [])
        expect(resolve(forGpt, parameter).description.length).toBeLessThanOrEqual(700);
    }
    for (const text of descriptionsIn(forGpt.components.schemas))
      expect(text.length).toBeLessThanOrEqual(700);
  });

  it('asks before whatever posts, deletes, cancels or disconnects, and before nothing else', () => {
    const asks = (always: boolean) =>
      gptOperations
        .filter(({ operation }) => operation['x-openai-isConsequential'] === always)
        .map(({ operation }) => operation.operationId)
        .sort();
    expect(asks(true)).toEqual(['cancelJob', 'deleteTweet', 'disconnectAccount', 'postTweet', 'resolveJob']);
    expect(asks(false)).toEqual(['getAccount', 'getJob', 'listJobs', 'validateTweet']);
  });

  it('declares conversation files as strings, which is what makes ChatGPT hand them over', () => {
    const request = forGpt.components.schemas.PostTweetRequest;
    expect(request).toMatchObject({
      properties: { openaiFileIdRefs: { type: 'array', items: { type: 'string' } } },
    });
  });

  it('has no header or cookie parameter, no body but JSON, and no reference but to schemas', () => {
    for (const { operation } of gptOperations) {
      for (const parameter of operation.parameters ?? [])
        expect(['path', 'query']).toContain(resolve(forGpt, parameter).in);
      expect(Object.keys(operation.requestBody?.content ?? { 'application/json': 0 })).toEqual([
        'application/json',
      ]);
    }
    const references = JSON.stringify(forGpt).match(/"\$ref":"[^"]*"/g) ?? [];
    expect(references.filter((text) => !text.startsWith('"$ref":"#/components/schemas/'))).toEqual([]);
    for (const text of references) {
      const name = text.slice('"$ref":"#/components/schemas/'.length, -1);
      expect(Object.keys(forGpt.components.schemas)).toContain(name);
    }
  });

  it('gives every object its properties and closes every request body', () => {
    for (const schema of schemasIn(forGpt.components.schemas))
      if (schema.type === 'object') expect(schema).toHaveProperty('properties');
    const bodies = ['PostTweetRequest', 'ThreadItem', 'Poll', 'ResolveJobRequest'];
    for (const name of bodies) expect(forGpt.components.schemas[name]?.additionalProperties).toBe(false);
  });

  it('keeps the longest list of jobs well below the 100,000 characters that ChatGPT reads', () => {
    const { properties } = forGpt.components.schemas.JobSummary ?? {};
    expect(properties).toMatchObject({ message: { maxLength: 160 }, tweet_text: { maxLength: 100 } });
    const time = '2026-11-21T10:00:00.000Z';
    const longest = {
      job_id: 'j'.repeat(32),
      status: 'unconfirmed',
      message: 'm'.repeat(160),
      status_url: `${publicUrl}/jobs/${'j'.repeat(32)}`,
      created_at: time,
      updated_at: time,
      publish_at: time,
      retry_at: time,
      tweet_id: '9'.repeat(19),
      tweet_text: 't'.repeat(100),
      tweet_url: `https://x.com/${'u'.repeat(15)}/status/${'9'.repeat(19)}`,
      error_code: 'media_processing_timeout',
    };
    expect(Object.keys(longest).sort()).toEqual(Object.keys(properties ?? {}).sort());
    expect(JSON.stringify(Array(100).fill(longest)).length).toBeLessThan(80_000);
  });
});

describe('the whole document', () => {
  it('has the version of the package', () => {
    const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect(parsed).toMatchObject({ version: whole.info.version });
  });

  it('names every operation once, by a verb', () => {
    const names = operationsOf(whole).map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+([A-Z][a-z]*)+$/);
  });

  it('knows the problem codes of the catalogue and no others', () => {
    const { enum: codes } = whole.components.schemas.ProblemCode ?? {};
    expect(new Set(codes as string[])).toEqual(new Set(Object.keys(problemKinds)));
    const actions = new Set(Object.values(problemKinds).map((kind) => kind.action));
    expect(whole.components.schemas.ActionRequired?.enum).toEqual(expect.arrayContaining([...actions]));
  });

  it('has examples that fit their own schemas, and problems that agree with the catalogue', () => {
    const match = createMatcher(whole);
    let count = 0;
    for (const { operation } of operationsOf(whole)) {
      for (const [type, media] of Object.entries(operation.requestBody?.content ?? {}))
        for (const value of examplesOf(media))
          match.request(media.schema, value, `request of ${operation.operationId} as ${type}`);
      for (const [status, answer] of Object.entries(operation.responses))
        for (const media of Object.values(resolve(whole, answer).content ?? {})) {
          if (media.schema.type === 'string') continue;
          for (const value of examplesOf(media)) {
            match.answer(media.schema, value, `${operation.operationId} ${status}`);
            if (isProblem(value)) expectCatalogued(value, status);
            count += 1;
          }
        }
    }
    expect(count).toBeGreaterThan(100);
  });
});

interface Example {
  readonly code: keyof typeof problemKinds;
  readonly type: string;
}

function expectCatalogued(example: Example, status: string): void {
  const { title, retryable, action, status: due } = problemKinds[example.code];
  expect(example).toMatchObject({
    type: `${publicUrl}/problems/${example.code}`,
    title,
    retryable,
    action_required: action,
  });
  expect(example).toMatchObject({ status: due });
  expect(String(due)).toBe(status);
}

function isProblem(value: unknown): value is Example {
  return typeof value === 'object' && value !== null && 'code' in value && 'instance' in value;
}

function examplesOf(media: { readonly example?: unknown; readonly examples?: object }): unknown[] {
  const named: { value: unknown }[] = Object.values(media.examples ?? {}).map((each) => resolve(whole, each));
  return [...(media.example === undefined ? [] : [media.example]), ...named.map((each) => each.value)];
}

function schemasIn(value: unknown): Schema[] {
  if (typeof value !== 'object' || value === null) return [];
  const children = Object.values(value).flatMap(schemasIn);
  return 'type' in value && typeof value.type === 'string' ? [{ ...value }, ...children] : children;
}

function descriptionsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) =>
    name === 'description' && typeof child === 'string' ? [child] : descriptionsIn(child),
  );
}
