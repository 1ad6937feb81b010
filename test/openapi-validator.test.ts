import { createServer, type RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { loadContract, resolve } from './openapi-contract.ts';
import { validatingFetch } from './openapi-fetch.ts';
import { createOpenApiValidator } from './openapi-validator.ts';

const validator = createOpenApiValidator();
const contract = loadContract('https://post-to-x.example.com');

const json = { 'content-type': 'application/json', 'cache-control': 'no-store' };
const problemJson = { 'content-type': 'application/problem+json' };

function exampleOf(path: string, method: string, status: string): Record<string, unknown> {
  const answer = contract.paths[path]?.[method]?.responses[status] ?? {};
  const media = Object.values(resolve(contract, answer).content ?? {})[0];
  const [first] = Object.values(media?.examples ?? {});
  const value = first ? resolve<{ value?: unknown }>(contract, first).value : media?.example;
  return { ...(value as Record<string, unknown>) };
}

const job = exampleOf('/jobs/{job_id}', 'get', '200');
const notFound = exampleOf('/jobs/{job_id}', 'get', '404');

function checkJob(body: object, changes: { status?: number; headers?: Record<string, string> } = {}): void {
  const answer = { method: 'GET', path: '/jobs/abc?wait_seconds=5', status: 200, headers: json };
  validator.checkAnswer({ ...answer, ...changes, body: JSON.stringify(body) });
}

describe('an answer', () => {
  it('that the document describes is taken', () => {
    expect(() => checkJob(job)).not.toThrow();
    expect(() => checkJob({ ...job, status: 'queued', error: null, stage: null })).not.toThrow();
  });

  it('with a field that the document does not know is refused, at any depth', () => {
    expect(() => checkJob({ ...job, surprise: 1 })).toThrow(/must NOT have additional.*surprise/);
    const media = [
      { index: 0, kind: null, status: 'waiting', progress: 0, bytes: null, sent_bytes: 0, note: null },
    ];
    expect(() => checkJob({ ...job, media })).not.toThrow();
    expect(() => checkJob({ ...job, media: [{ ...media[0], size: 1 }] })).toThrow(/\/media\/0 .*size/);
  });

  it('that lacks a field or gives it another type is refused', () => {
    const { replayed: _, ...without } = job;
    expect(() => checkJob(without)).toThrow(/replayed/);
    expect(() => checkJob({ ...job, progress: '62' })).toThrow(/\/progress must be integer/);
    expect(() => checkJob({ ...job, status: 'posted' })).toThrow(/\/status/);
    expect(() => checkJob({ ...job, updated_at: 'yesterday' })).toThrow(/\/updated_at/);
  });

  it('with a status, content type or missing header that the document does not allow is refused', () => {
    expect(() => checkJob(job, { status: 201 })).toThrow(/GET \/jobs\/abc\?wait_seconds=5 answered 201.*200/);
    expect(() => checkJob(job, { headers: { ...json, 'content-type': 'text/plain' } })).toThrow(
      /text\/plain/,
    );
    expect(() => checkJob(job, { headers: { 'content-type': 'application/json' } })).toThrow(/Cache-Control/);
    expect(() => checkJob(job, { headers: { ...json, 'retry-after': 'soon' } })).toThrow(/Retry-After/);
  });

  it('to something that the document does not know is a 404, with a wrong method a 405, and always a problem', () => {
    const body = JSON.stringify(notFound);
    const answer = { method: 'GET', path: '/nowhere', status: 404, headers: problemJson, body };
    expect(() => validator.checkAnswer(answer)).not.toThrow();
    expect(() => validator.checkAnswer({ ...answer, status: 200 })).toThrow(/no such operation/);
    expect(() => validator.checkAnswer({ ...answer, body: '<html>' })).toThrow(/not JSON/);
    expect(() => validator.checkAnswer({ ...answer, method: 'PUT', path: '/jobs', status: 404 })).toThrow(
      /405/,
    );
  });
});

describe('a request', () => {
  const post = (body: unknown, path = '/postTweet', headers = {}) =>
    validator.checkRequest({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  it('may hold conversation files as ChatGPT sends them, and as it should not', () => {
    const file = {
      name: 'a.png',
      id: 'file-1',
      mime_type: 'image/png',
      download_link: 'https://files.example.com/1',
    };
    expect(() => post({ text: 'Hi', openaiFileIdRefs: [file] })).not.toThrow();
    expect(() => post({ text: 'Hi', openaiFileIdRefs: ['file-1'] })).not.toThrow();
    expect(() => post({ text: 'Hi', openaiFileIdRefs: [1] })).toThrow(/openaiFileIdRefs/);
  });

  it('may send null for what it leaves out', () => {
    expect(() => post({ text: 'Hi', media_url: null, poll: null })).not.toThrow();
    expect(() => post({ text: 'Hi', media_url: 5 })).toThrow(/media_url/);
  });

  it('with an unknown field, header value or parameter is refused', () => {
    expect(() => post({ text: 'Hi', txt: 'Hi' })).toThrow(/txt/);
    expect(() => post({ text: 'Hi' }, '/postTweet?dry_run=1')).toThrow(/dry_run/);
    expect(() => post({ text: 'Hi' }, '/postTweet', { 'idempotency-key': 'k'.repeat(256) })).toThrow(
      /header parameter Idempotency-Key/,
    );
    const get = { method: 'GET', path: '/jobs?limit=101', headers: {}, body: '' };
    expect(() => validator.checkRequest(get)).toThrow(/limit/);
  });
});

describe('fetch under the document', () => {
  async function serve(listener: RequestListener) {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    return {
      fetch: validatingFetch(`http://127.0.0.1:${port}`),
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      },
    };
  }

  it('gives the answer on when it fits, its body unread', async () => {
    await using api = await serve((_request, answer) => answer.writeHead(200, json).end(JSON.stringify(job)));
    const answer = await api.fetch('/jobs/abc');
    expect(await answer.json()).toEqual(job);
  });

  it('throws when the answer does not fit, and when a wrong request was taken', async () => {
    await using api = await serve((_request, answer) => answer.writeHead(200, json).end(JSON.stringify(job)));
    await expect(api.fetch('/me')).rejects.toThrow(/GET \/me answered 200/);
    await expect(api.fetch('/jobs/abc?wait_seconds=41')).rejects.toThrow(/wait_seconds/);
    const form = { method: 'POST', body: new URLSearchParams({ text: 'Hi' }) };
    await expect(api.fetch('/postTweet', form)).rejects.toThrow(/x-www-form-urlencoded/);
  });

  it('checks server-sent events while they are read', async () => {
    const stream = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    const event = (data: object) => `id: 1\nevent: job\ndata: ${JSON.stringify(data)}\n\n`;
    await using good = await serve((_request, answer) =>
      answer.writeHead(200, stream).end(`: hello\n\n${event(job)}`),
    );
    expect(await (await good.fetch('/jobs/abc/events')).text()).toContain('event: job');
    await using bad = await serve((_request, answer) =>
      answer.writeHead(200, stream).end(event({ ...job, surprise: 1 })),
    );
    await expect((await bad.fetch('/jobs/abc/events')).text()).rejects.toThrow(/surprise/);
  });
});
