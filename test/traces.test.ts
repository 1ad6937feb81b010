import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answer } from '#apps/x-simulator/fault.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { connectAgent } from './mcp-client.ts';
import { connect, type Session, type System, startProcess, startSystem, type TestProcess } from './system.ts';
import { type CollectedSpan, startTraceCollector, type TraceCollector } from './trace-collector.ts';

let system: System;
let collector: TraceCollector;
let api: TestProcess;
let apiUrl: string;
let worker: TestProcess;
let session: Session;
const environment = () => ({
  ...system.environment,
  OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
  OTEL_EXPORTER_OTLP_HEADERS: 'x-key=of%20the%20collector',
});

/** Makes a process print each package that it loads. */
const tellPackages = { NODE_OPTIONS: `--import ${import.meta.resolve('./loaded-packages.ts')}` };
const loadedBy = ({ output }: TestProcess) =>
  output.filter((line) => line.startsWith('loaded ')).map((line) => line.slice('loaded '.length));

beforeAll(async () => {
  collector = await startTraceCollector();
  system = await startSystem({ workers: 0, environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  [api, worker] = await Promise.all([
    startProcess('api', environment()),
    startProcess('quick-worker', { ...environment(), ...tellPackages }),
  ]);
  apiUrl = addressOf(api);
  session = await connect(apiUrl, system.simulator);
});
afterAll(async () => {
  for (const open of [worker, api, system, collector]) await open?.[Symbol.asyncDispose]();
});

/** Where an API process says that it listens. */
function addressOf({ output }: TestProcess): string {
  const line = output.find((text) => text.includes('is ready')) ?? '{}';
  return (JSON.parse(line) as { address: string }).address;
}

const secretText = 'Nobody else may read this';
const picture = '/a.png?key=of-the-host';

const newTrace = () => ({
  id: randomBytes(16).toString('hex'),
  parent: randomBytes(8).toString('hex'),
});

/** Posts as somebody whose own work is traced. */
async function postWithin(
  trace: { id: string; parent: string },
  body: object,
  flags = '01',
): Promise<string> {
  const headers = { traceparent: `00-${trace.id}-${trace.parent}-${flags}` };
  const { status, body: job } = await session.request('POST', '/postTweet', body, headers);
  expect(status).toBe(202);
  return job.job_id;
}

/** The spans of one trace, once those of these names are among them. */
async function spansOf(traceId: string, names: readonly string[]): Promise<CollectedSpan[]> {
  const found = () => collector.spans.filter((span) => span.traceId === traceId);
  await expect.poll(() => found().map(({ name }) => name)).toEqual(expect.arrayContaining([...names]));
  return found();
}

const one = (spans: readonly CollectedSpan[], name: string): CollectedSpan => {
  const [span] = spans.filter((candidate) => candidate.name === name);
  if (!span) throw new Error(`no span ${name}`);
  return span;
};

it('a post with a picture is one trace from its request through the queues to X', async () => {
  const trace = newTrace();
  system.mediaHost.files.set(picture, await noise(300, 200).png().toBuffer());
  const jobId = await postWithin(trace, { text: secretText, media_url: system.mediaHost.url(picture) });
  expect((await session.ended(jobId)).status).toBe('published');
  const names = ['POST /postTweet', 'process tweets', 'process media', 'X create_tweet'];
  const spans = await spansOf(trace.id, names);
  const [request, tweets, media, created] = names.map((name) => one(spans, name));
  expect(request).toMatchObject({ parentSpanId: trace.parent, service: 'post-to-x-api', kind: 2 });
  expect(request?.attributes).toMatchObject({ 'http.route': '/postTweet', 'http.response.status_code': 202 });
  for (const run of [tweets, media]) {
    expect(run).toMatchObject({ parentSpanId: request?.spanId, service: 'post-to-x-worker', kind: 5 });
    expect(run?.attributes).toMatchObject({ 'post_to_x.job_id': jobId, 'post_to_x.attempt': 1 });
  }
  expect(media?.attributes['post_to_x.media_index']).toBe(0);
  for (const step of ['media fetch', 'media prepare', 'media upload', 'X initialize', 'X finalize'])
    expect(one(spans, step).parentSpanId, step).toBe(media?.spanId);
  expect(one(spans, 'X append').parentSpanId).toBe(one(spans, 'media upload').spanId);
  expect(created).toMatchObject({ parentSpanId: tweets?.spanId, kind: 3 });
  expect(created?.attributes).toMatchObject({
    'http.response.status_code': 201,
    'post_to_x.x_transaction_id': expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  const clocks = 2e6;
  expect(created?.startTimeUnixNano).toBeGreaterThanOrEqual((tweets?.startTimeUnixNano ?? 0) - clocks);
  expect(created?.endTimeUnixNano).toBeLessThanOrEqual((tweets?.endTimeUnixNano ?? 0) + clocks);
});

it('what X refuses shows as an error of one word', async () => {
  const trace = newTrace();
  const detail = 'These words are for the author';
  system.simulator.faults.next('POST /2/tweets', answer(403, { title: 'Forbidden', detail }));
  await session.ended(await postWithin(trace, { text: 'Not this one' }));
  const refused = one(await spansOf(trace.id, ['X create_tweet']), 'X create_tweet');
  expect(refused.attributes['error.type']).toBe('403');
  expect(refused.status.code).toBe(2);
  expect(collector.requests.map(({ body }) => body).join()).not.toContain(detail);
});

it('a run on a post whose entry got lost belongs to the same trace', async () => {
  const trace = newTrace();
  worker.kill('SIGSTOP');
  const jobId = await postWithin(trace, { text: 'Lost for a while' });
  await loseEntry(jobId);
  worker.kill('SIGCONT');
  expect((await session.ended(jobId)).status).toBe('published');
  const spans = await spansOf(trace.id, ['POST /postTweet', 'process tweets', 'X create_tweet']);
  expect(one(spans, 'process tweets').parentSpanId).toBe(one(spans, 'POST /postTweet').spanId);
});

it('a caller who does not want to be traced is not, in any process', async () => {
  const [quiet, loud] = [newTrace(), newTrace()];
  await session.ended(await postWithin(quiet, { text: 'Quietly' }, '00'));
  await session.ended(await postWithin(loud, { text: 'And not so' }));
  await spansOf(loud.id, ['X create_tweet', 'process tweets']);
  expect(collector.spans.filter(({ traceId }) => traceId === quiet.id)).toEqual([]);
});

it('without a caller who traces, the id in the answer and in the log is that of the trace', async () => {
  const answer = await session.request('POST', '/postTweet', { text: 'On its own' });
  const id = answer.headers.get('x-request-id') ?? '';
  const spans = await spansOf(id, ['POST /postTweet', 'X create_tweet']);
  expect(one(spans, 'POST /postTweet').parentSpanId ?? '').toBe('');
});

it('a post that comes through MCP is one trace too', async () => {
  const url = new URL('/mcp', apiUrl.replace('127.0.0.1', 'localhost'));
  await using agent = await connectAgent(url, { era: 'legacy' });
  const result = await agent.client.callTool({ name: 'post_tweet', arguments: { text: 'By an agent' } });
  const { job_id } = result.structuredContent as { job_id: string };
  const ofJob = () => collector.spans.find(({ attributes }) => attributes['post_to_x.job_id'] === job_id);
  await expect.poll(ofJob).toBeDefined();
  const spans = await spansOf(ofJob()?.traceId ?? '', ['X create_tweet', 'POST /mcp']);
  expect(one(spans, 'process tweets').parentSpanId).toBe(one(spans, 'POST /mcp').spanId);
});

it('probes are not traced', async () => {
  const trace = newTrace();
  await fetch(`${apiUrl}/readyz`, { headers: { traceparent: `00-${trace.id}-${trace.parent}-01` } });
  const seen = newTrace();
  await fetch(`${apiUrl}/privacy`, { headers: { traceparent: `00-${seen.id}-${seen.parent}-01` } });
  await spansOf(seen.id, ['GET /privacy']);
  expect(collector.spans.filter(({ traceId }) => traceId === trace.id)).toEqual([]);
});

it('nobody is told what a post says, whose it is, where its media lies or what opens anything; X is told of no trace', () => {
  const told = collector.requests.map(({ path, body }) => path + body).join('\n');
  expect(told).toContain('process media');
  const secrets = [
    secretText,
    'of-the-host',
    system.mediaHost.host,
    session.accessToken,
    session.refreshToken,
  ];
  for (const secret of [...secrets, session.account.id, session.account.username])
    expect(told).not.toContain(secret);
  for (const { path, headers } of collector.requests) {
    expect(path).toBe('/v1/traces');
    expect(headers).toMatchObject({ 'x-key': 'of the collector' });
  }
  const heardByX = system.simulator.state.requests.all.flatMap(({ headers }) => Object.keys(headers));
  expect(heardByX).toContain('authorization');
  expect(heardByX).not.toContain('traceparent');
});

it('a collector that takes nothing is said once, and holds nothing up', async () => {
  collector.status = 400;
  const said = () => worker.output.filter((line) => line.includes('Traces are not taken'));
  expect((await session.post({ text: 'Into the void' })).status).toBe('published');
  await expect.poll(said).toHaveLength(1);
  const before = collector.requests.length;
  expect((await session.post({ text: 'And another' })).status).toBe('published');
  await expect.poll(() => collector.requests.length).toBeGreaterThan(before + 1);
  expect(said()).toHaveLength(1);
  collector.status = 200;
});

it('without a collector nothing of OpenTelemetry is loaded', async () => {
  const programs = ['api', 'quick-worker'] as const;
  const start = (program: 'api' | 'quick-worker') =>
    startProcess(program, { ...system.environment, ...tellPackages });
  for (const process of await Promise.all(programs.map(start))) {
    const loaded = loadedBy(process);
    await process[Symbol.asyncDispose]();
    expect(loaded).toContain('ioredis');
    expect(loaded.filter((name) => name.startsWith('@opentelemetry/'))).toEqual([]);
  }
  expect(loadedBy(worker)).toContain('@opentelemetry/sdk-trace');
});

/** As if Redis had lost it; the sweeper looks at once instead of in some seconds. */
async function loseEntry(jobId: string): Promise<void> {
  await using redis = await connectRedis(system.redis.url, 'wait');
  await using wakeUps = createWakeUps({ redis });
  expect(await wakeUps.queues.tweets.remove(`job-${jobId}`)).toBe(1);
  await redis.zadd('jobs:open', Date.now(), jobId);
}
