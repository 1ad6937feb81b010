import type { CallToolResult } from '@modelcontextprotocol/client';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type Agent, connectAgent } from './mcp-client.ts';
import { loadContract } from './openapi-contract.ts';
import { createMatcher } from './openapi-matcher.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
let agent: Agent;
/** The same account at the other door. */
let session: Session;
beforeAll(async () => {
  system = await startSystem({ environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  const url = new URL('/mcp', system.url.replace('127.0.0.1', 'localhost'));
  agent = await connectAgent(url, { era: { pin: '2026-07-28' } });
  session = await system.connect('sandbox_ada');
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const match = createMatcher(loadContract('http://localhost'));

const call = (name: string, args: Record<string, unknown> = {}) =>
  agent.client.callTool({ name, arguments: args });

const textOf = ({ content }: CallToolResult) => (content[0]?.type === 'text' ? content[0].text : '');

/** The job of an answer, which is one of openapi.yaml. */
function jobOf(result: CallToolResult): JobView {
  expect(textOf(result)).not.toBe('');
  match.answer({ $ref: '#/components/schemas/Job' }, result.structuredContent, textOf(result));
  return result.structuredContent as JobView;
}

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('a post', () => {
  it('is the same job at both doors', async () => {
    const job = jobOf(await call('post_tweet', { text: 'Seen twice', request_id: 'seen-twice' }));
    expect(job).toMatchObject({ status: 'published', replayed: false });
    const { body } = await session.request('GET', `/jobs/${job.job_id}`);
    expect(body).toEqual(job);
    const { body: list } = await session.request<{ jobs: JobView[] }>('GET', '/jobs');
    const listed = await call('list_jobs');
    expect(listed.structuredContent).toEqual(list);
    expect(textOf(listed)).toContain(job.job_id);
  });

  it('that was begun at the HTTP API is waited for, canceled and listed here', async () => {
    const { body } = await session.request('POST', '/postTweet', { text: 'Later', publish_at: inAnHour() });
    const looked = await call('get_job', { job_id: body.job_id, wait_seconds: 0 });
    expect(jobOf(looked)).toMatchObject({ status: 'scheduled' });
    expect(textOf(looked)).toMatch(/call get_job .* in 60 seconds/);
    const canceled = jobOf(await call('cancel_job', { job_id: body.job_id }));
    expect(canceled.status).toBe('canceled');
    expect(await call('list_jobs', { status: 'canceled', limit: 1 })).toMatchObject({
      structuredContent: { jobs: [{ job_id: body.job_id }] },
    });
  });

  it('with the same request_id is made once', async () => {
    const args = { text: 'Only once', request_id: 'once' };
    const jobs = await Promise.all(
      Array.from({ length: 8 }, async () => jobOf(await call('post_tweet', args))),
    );
    expect(new Set(jobs.map(({ job_id }) => job_id)).size).toBe(1);
    expect(jobs.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const tweets = system.simulator.state.tweets.visible(session.account.id);
    expect(tweets.filter(({ text }) => text === 'Only once')).toHaveLength(1);
  });

  it('takes files as ChatGPT hands them over, and names them so when they are wrong', async () => {
    for (const [path, background] of [
      ['/one.png', '#123456'],
      ['/two.png', '#654321'],
    ] as const)
      system.mediaHost.files.set(
        path,
        await sharp({ create: { width: 64, height: 64, channels: 3, background } })
          .png()
          .toBuffer(),
      );
    const file = (path: string) => ({ file_id: `id ${path}`, download_url: system.mediaHost.url(path) });
    const posted = await call('post_tweet', {
      text: 'Two files',
      file: { ...file('/one.png'), mime_type: 'image/png', file_name: 'one.png' },
      file_2: file('/two.png'),
    });
    expect(jobOf(posted)).toMatchObject({
      status: 'published',
      media: [{ kind: 'image' }, { kind: 'image' }],
    });
    const wrong = await call('post_tweet', {
      text: 'x',
      file: { file_id: 'a', download_url: 'not an address' },
    });
    expect(wrong.isError).toBe(true);
    expect(textOf(wrong)).toMatch(/^validation_failed: file\.download_url: /);
    for (const more of [{}, { file: file('/one.png') }])
      expect(textOf(await call('post_tweet', { text: 'x', openaiFileIdRefs: ['file-1'], ...more }))).toMatch(
        /^bad_request: openaiFileIdRefs: There is no such field/,
      );
    const missing = await call('post_tweet', { text: 'x', file: 'file-123' });
    expect(textOf(missing)).toMatch(/^bad_request: file: .*Attach/);
  });

  it('is deleted from X', async () => {
    const job = jobOf(await call('post_tweet', { text: 'Soon gone' }));
    const deleted = await call('delete_tweet', { tweet_id: job.tweet_id });
    expect(deleted.structuredContent).toEqual({ tweet_id: job.tweet_id, deleted: true });
    expect(system.simulator.state.tweets.visible(session.account.id).map(({ id }) => id)).not.toContain(
      job.tweet_id,
    );
  });

  it('is checked without being posted', async () => {
    const before = system.simulator.state.tweets.visible(session.account.id).length;
    const fine = await call('validate_tweet', { text: 'Fine' });
    match.answer({ $ref: '#/components/schemas/TweetValidation' }, fine.structuredContent, 'validate_tweet');
    expect(fine.structuredContent).toMatchObject({ valid: true, weighted_length: 4 });
    const long = await call('validate_tweet', { text: 'x'.repeat(281) });
    expect(long.isError).toBeFalsy();
    expect(long.structuredContent).toMatchObject({ valid: false, problems: [{ field: 'text' }] });
    expect(textOf(long)).toContain('281 of 280');
    expect(system.simulator.state.tweets.visible(session.account.id)).toHaveLength(before);
  });
});

describe('a refusal', () => {
  it.each([
    ['post_tweet', { text: 'x'.repeat(281) }, 'validation_failed', /text: .* Next: correct/],
    [
      'post_tweet',
      { text: 'x', colour: 'red', thread: 'no' },
      'bad_request',
      /thread: .*colour: |colour: .*thread: /,
    ],
    ['get_job', {}, 'bad_request', /job_id: /],
    ['get_job', { job_id: 'a', wait_seconds: 41 }, 'bad_request', /wait_seconds: .*0 to 40/],
    ['get_job', { job_id: '0'.repeat(32) }, 'not_found', /Next: look at list_jobs/],
    ['resolve_job', { job_id: '0'.repeat(32), outcome: 'maybe' }, 'bad_request', /outcome: /],
    ['delete_tweet', { tweet_id: '1' }, 'not_found', /X has no such post/],
    ['get_account', { id: 1 }, 'bad_request', /id/],
  ])('of %s with %j has its code, a sentence and the next step', async (tool, args, code, words) => {
    const result = await call(tool, args);
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(words);
    expect(textOf(result).startsWith(`${code}: `)).toBe(true);
    expect(result._meta?.problem).toMatchObject({ code, type: expect.stringContaining(`/problems/${code}`) });
  });

  it('of a job of another account is the one of a job that does not exist', async () => {
    const other = await system.connect('sandbox_ben');
    const { body } = await other.request('POST', '/postTweet', { text: 'Not yours', wait_seconds: 20 });
    const result = await call('get_job', { job_id: body.job_id });
    expect(textOf(result)).toBe(textOf(await call('get_job', { job_id: '0'.repeat(32) })));
  });

  it('of a job that does not need to be settled, or can no longer be stopped', async () => {
    const { job_id } = jobOf(await call('post_tweet', { text: 'Already out' }));
    expect(textOf(await call('resolve_job', { job_id, outcome: 'posted' }))).toMatch(/^not_unconfirmed: /);
    expect(textOf(await call('cancel_job', { job_id }))).toMatch(
      /^too_late: .*Next: look at it with get_job/,
    );
  });
});

describe('the account', () => {
  it('is shown with the id and name that ChatGPT wants', async () => {
    const { structuredContent } = await call('get_account');
    const { body } = await session.request<object>('GET', '/me');
    expect(structuredContent).toEqual({ id: session.account.id, name: '@sandbox_ada', ...body });
  });

  it('that X no longer knows makes ChatGPT ask its user to sign in again', async () => {
    const url = new URL('/mcp', system.url.replace('127.0.0.1', 'localhost'));
    await using lost = await connectAgent(url, { era: { pin: '2026-07-28' }, user: 'sandbox_cleo' });
    const post = (text: string) => lost.client.callTool({ name: 'post_tweet', arguments: { text } });
    const { tweet_id } = jobOf(await post('Before'));
    const { id } = (await lost.client.callTool({ name: 'get_account' })).structuredContent as { id: string };
    system.simulator.state.grants.disconnect(id);
    const result = await lost.client.callTool({ name: 'delete_tweet', arguments: { tweet_id } });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^reconnect_needed: .*Next: ask the user to sign in again\.$/);
    expect(result._meta?.['mcp/www_authenticate']).toEqual([
      expect.stringMatching(
        /^Bearer resource_metadata="[^"]+\/mcp", error="invalid_token", error_description="[ !#-[\]-~]+"$/,
      ),
    ]);
  });

  it('that X no longer knows does so as well when a post finds it out', async () => {
    const url = new URL('/mcp', system.url.replace('127.0.0.1', 'localhost'));
    await using lost = await connectAgent(url, { era: 'legacy', user: 'sandbox_cleo' });
    const { id } = (await lost.client.callTool({ name: 'get_account' })).structuredContent as { id: string };
    system.simulator.state.grants.disconnect(id);
    const result = await lost.client.callTool({ name: 'post_tweet', arguments: { text: 'Too late' } });
    expect(result.isError).toBe(true);
    expect(jobOf(result)).toMatchObject({ status: 'failed', error: { action_required: 'reconnect' } });
    expect(result._meta?.['mcp/www_authenticate']).toEqual([
      expect.stringContaining('error="invalid_token"'),
    ]);
    await expect(lost.client.callTool({ name: 'get_account' })).rejects.toThrow(/unauthorized/i);
  });
});
