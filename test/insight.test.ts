import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startApi } from '#apps/api/start-api.ts';
import { answer, rateLimited } from '#apps/x-simulator/fault.ts';
import { loadConfig } from '#libs/config/config.ts';
import type { Log } from '#libs/log/log.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type Session, type System, startSystem } from './system.ts';

const metricsToken = 'a-token-of-the-scraper';
const admin = { ADMIN_USER: 'olga', ADMIN_PASSWORD: 'a long: password' };
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const login = basic(admin.ADMIN_USER, admin.ADMIN_PASSWORD);

let system: System;
beforeAll(async () => {
  system = await startSystem({
    environment: { METRICS_TOKEN: metricsToken, MONTHLY_BUDGET_USD: '25', ...admin },
  });
});
afterAll(() => system[Symbol.asyncDispose]());

async function scrape(url = system.url): Promise<string> {
  const answered = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${metricsToken}` } });
  expect(answered.status).toBe(200);
  expect(answered.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return await answered.text();
}

/** The value of a series; undefined where there is none. */
function seriesOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Asks until a series has reached a value: counts are written every second, and read every two. */
async function until(series: string, value: number): Promise<string> {
  let text = '';
  await expect
    .poll(
      async () => {
        text = await scrape();
        return seriesOf(text, series) ?? -1;
      },
      { timeout: 20_000, interval: 250 },
    )
    .toBeGreaterThanOrEqual(value);
  return text;
}

/** Another API on the same Redis whose log is kept. */
async function startLoggingApi() {
  const lines: Record<string, unknown>[] = [];
  const keep = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  const log: Log = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
  // Tokens are good for one address: it answers under that of the first.
  const environment = { ...system.environment, PUBLIC_URL: system.url.replace('127.0.0.1', 'localhost') };
  const api = await startApi(loadConfig(environment, 'api'), log);
  return { lines, url: api.url, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

describe('/metrics', () => {
  it('tells what was accepted, published and failed, and what it took at X', async () => {
    const session = await system.connect();
    const before = await scrape();
    const pixels = { width: 64, height: 64, channels: 3, background: '#00f' } as const;
    system.mediaHost.files.set('/a.png', await sharp({ create: pixels }).png().toBuffer());
    await session.post({ text: 'One with a picture', media_url: system.mediaHost.url('/a.png') });
    await session.post({ text: 'A thread', thread: [{ text: 'of two' }] });
    system.simulator.faults.next(
      'POST /2/tweets',
      answer(403, { title: 'Forbidden', detail: 'No such thing' }),
    );
    const failed = await session.post({ text: 'Not this one' });
    const text = await until('post_to_x_x_calls_total{endpoint="create_tweet",status="403"}', 1);
    const value = (series: string) => seriesOf(text, `post_to_x_${series}`);
    const risen = (series: string) => (value(series) ?? 0) - (seriesOf(before, `post_to_x_${series}`) ?? 0);
    expect(risen('jobs_accepted_total')).toBe(3);
    expect(risen('jobs_ended_total{outcome="published",code=""}')).toBe(2);
    expect(risen(`jobs_ended_total{outcome="failed",code="${failed.error?.code}"}`)).toBe(1);
    expect(value('jobs_ended_total{outcome="failed",code="internal_error"}')).toBe(0);
    expect(risen('posts_created_total')).toBe(3);
    expect(risen('publish_seconds_count')).toBe(2);
    expect(risen('publish_seconds_bucket{le="+Inf"}')).toBe(2);
    expect(risen('publish_seconds_sum')).toBeGreaterThan(0);
    expect(risen('x_calls_total{endpoint="create_tweet",status="201"}')).toBe(3);
    expect(risen('x_call_seconds_count{endpoint="create_tweet"}')).toBe(4);
    expect(risen('media_bytes_total{direction="uploaded"}')).toBeGreaterThan(50);
    for (const step of ['fetch', 'prepare', 'upload'])
      expect(risen(`media_seconds_count{step="${step}"}`)).toBe(1);
    expect(risen('http_request_seconds_count{method="POST",route="/postTweet",status="202"}')).toBe(3);
    expect(value('spend_month_usd')).toBeGreaterThan(0);
    expect(value('budget_month_usd')).toBe(25);
    const left = value('limit_remaining_ratio{endpoint="create_tweet",scope="user"}');
    expect(left).toBeGreaterThan(0.5);
    expect(left).toBeLessThan(1);
    expect(value('workers{queue="tweets"}')).toBe(1);
    expect(value('ready')).toBe(1);
    expect(value('queue_entries{queue="tweets",state="active"}')).toBe(0);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    for (const word of [session.account.id, session.account.username, session.accessToken, 'picture'])
      expect(text).not.toContain(word);
  });

  it('shows who waits for what, and the limit that is used up', async () => {
    const session = await system.connect('sandbox_ben');
    system.simulator.faults.next('POST /2/tweets', rateLimited(600));
    const { body } = await session.request('POST', '/postTweet', { text: 'Later' });
    const text = await until('post_to_x_jobs_waiting{reason="limit"}', 1);
    expect(seriesOf(text, 'post_to_x_jobs_open{status="waiting"}')).toBe(1);
    expect(seriesOf(text, 'post_to_x_limits_used_up{endpoint="create_tweet",scope="user"}')).toBe(1);
    expect(seriesOf(text, 'post_to_x_limit_remaining_ratio{endpoint="create_tweet",scope="user"}')).toBe(0);
    const at = new Date(Date.now() + 86_400_000).toISOString();
    await session.request('POST', '/postTweet', { text: 'Tomorrow', publish_at: at });
    await until('post_to_x_jobs_open{status="scheduled"}', 1);
    await session.request('POST', `/jobs/${body.job_id}/cancel`);
    const after = await until('post_to_x_jobs_ended_total{outcome="canceled",code=""}', 1);
    expect(seriesOf(after, 'post_to_x_jobs_waiting{reason="limit"}')).toBe(0);
  });

  it('is the same from every API of the deployment, but for the process that answers', async () => {
    await using other = await startLoggingApi();
    const accepted = (text: string) => seriesOf(text, 'post_to_x_jobs_accepted_total');
    expect(accepted(await scrape(other.url))).toBe(accepted(await scrape()));
    expect(await scrape(other.url)).not.toContain('route="/postTweet"');
  });

  it('wants its token, and does not let it be guessed', async () => {
    await using other = await startLoggingApi();
    const ask = (authorization?: string) =>
      fetch(`${other.url}/metrics`, { headers: authorization === undefined ? {} : { authorization } });
    const without = await ask();
    expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    for (let guess = 0; guess < 20; guess++) expect((await ask(`Bearer ${guess}`)).status).toBe(401);
    expect((await ask('Bearer 21')).status).toBe(429);
    expect((await ask(`Bearer ${metricsToken}`)).status).toBe(429);
  });

  it('says that Redis is away, and shows the process all the same', async () => {
    await using lonely = await startSystem({ environment: { METRICS_TOKEN: metricsToken }, workers: 0 });
    lonely.redis.kill('SIGKILL');
    await expect.poll(async () => seriesOf(await scrape(lonely.url), 'post_to_x_redis_up')).toBe(0);
    expect(await scrape(lonely.url)).toMatch(/^process_resident_memory_bytes \d/m);
  });

  it('shows that Redis has forgotten what it had acknowledged', async () => {
    await using robbed = await startSystem({ environment: { METRICS_TOKEN: metricsToken } });
    await using redis = await connectRedis(robbed.redis.url, 'wait');
    await redis.flushall();
    await expect.poll(async () => seriesOf(await scrape(robbed.url), 'post_to_x_redis_losses_total')).toBe(1);
  });

  it('has every series that the dashboard and the alerts ask for', async () => {
    const text = await scrape();
    const has = new Set(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name, type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const deploy = join(import.meta.dirname, '../deploy');
    const dashboard = JSON.parse(await readFile(join(deploy, 'grafana/post-to-x.json'), 'utf8'));
    const rules = parse(await readFile(join(deploy, 'prometheus/alerts.yml'), 'utf8'));
    const panels: { targets?: { expr: string }[] }[] = dashboard.panels;
    const alerts: { alert: string; expr: string; annotations: { summary: string } }[] = rules.groups[0].rules;
    const questions = [
      ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...alerts.map(({ expr }) => expr),
    ];
    expect(questions.length).toBeGreaterThan(40);
    for (const question of questions) {
      expect(question.split('(').length, question).toBe(question.split(')').length);
      const names = question.match(/\b(post_to_x|nodejs|process)_\w+/g) ?? [];
      expect(names, question).not.toEqual([]);
      for (const name of names) expect(has, question).toContain(name);
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    const guide = await readFile(join(deploy, '../docs/operations.md'), 'utf8');
    const tried = await readFile(join(deploy, 'prometheus/alerts.test.yml'), 'utf8');
    for (const { alert } of alerts) {
      expect(guide).toContain(alert);
      expect(tried).toContain(`alertname="${alert}",alertstate="firing"`);
    }
  });

  it('is not there without METRICS_TOKEN, nor the dashboard without its login', async () => {
    const { METRICS_TOKEN, ADMIN_USER, ADMIN_PASSWORD, ...rest } = system.environment;
    expect([METRICS_TOKEN, ADMIN_USER, ADMIN_PASSWORD]).not.toContain(undefined);
    await using plain = await startApi(loadConfig({ ...rest, PORT: '0' }, 'api'), system.log);
    for (const path of ['/metrics', '/admin/queues', '/admin/queues/api/queues']) {
      const headers = { authorization: path === '/metrics' ? `Bearer ${metricsToken}` : login };
      expect((await fetch(plain.url + path, { headers })).status).toBe(404);
    }
  });
});

describe('the dashboard of the queues', () => {
  const ask = (path: string, init: RequestInit = {}, url = system.url) =>
    fetch(`${url}/admin/queues${path}`, { ...init, headers: { authorization: login, ...init.headers } });

  it('opens with the login, and its own files are all that it may load', async () => {
    const page = await ask('');
    expect(page.status).toBe(200);
    const markup = await page.text();
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const scripts = [...markup.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, path]) => path);
    expect(scripts.length).toBeGreaterThan(2);
    for (const script of scripts) expect((await ask(`/${script}`)).status, script).toBe(200);
  });

  it('lists entries that carry references alone', async () => {
    const session = await system.connect('sandbox_ada');
    const text = 'Nobody else may read this';
    const job = await session.post({ text });
    // The job has ended a moment before its entry has.
    const list = async () =>
      await (await ask('/api/queues?activeQueue=tweets&status=completed&page=1&jobsPerPage=50')).text();
    await expect.poll(list).toContain(job.job_id);
    const body = await list();
    for (const secret of [text, session.account.id, session.accessToken]) expect(body).not.toContain(secret);
  });

  it('keeps everybody else out, and cannot be guessed', async () => {
    const wrong = [undefined, 'Basic ???', basic('olga', ''), basic('', ''), basic('olga', 'a long')];
    for (const authorization of wrong) {
      const headers = authorization === undefined ? {} : { authorization };
      const answered = await fetch(`${system.url}/admin/queues`, { headers });
      expect(answered.status).toBe(401);
      expect(answered.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
    await using other = await startLoggingApi();
    const guess = (password: string) =>
      ask('', { headers: { authorization: basic('olga', password) } }, other.url);
    for (let count = 0; count < 20; count++) expect((await guess(String(count))).status).toBe(401);
    expect((await guess(admin.ADMIN_PASSWORD)).status).toBe(429);
  });

  it('pauses a queue, which the metrics show, and lets it go on', async () => {
    const session = await system.connect('sandbox_ada');
    expect((await ask('/api/queues/tweets/pause', { method: 'PUT' })).status).toBe(200);
    const { body } = await session.request('POST', '/postTweet', { text: 'Held up' });
    const text = await until('post_to_x_queue_entries{queue="tweets",state="prioritized"}', 1);
    expect(seriesOf(text, 'post_to_x_queue_entries{queue="tweets",state="active"}')).toBe(0);
    expect((await ask('/api/queues/tweets/resume', { method: 'PUT' })).status).toBe(200);
    expect((await session.ended(body.job_id)).status).toBe('published');
  });

  it('does nothing that another site sent', async () => {
    const pause = (headers: Record<string, string>) =>
      ask('/api/queues/media/pause', { method: 'PUT', headers });
    expect((await pause({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await pause({ 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await pause({ origin: 'https://evil.example' })).status).toBe(403);
    expect((await pause({ origin: 'null' })).status).toBe(403);
    expect((await pause({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
    const resumed = await ask('/api/queues/media/resume', { method: 'PUT' });
    expect(resumed.status).toBe(200);
  });
});

describe('a request', () => {
  it('carries an id: its own where that is well-formed, that of its trace, or a new one', async () => {
    const idOf = async (headers: Record<string, string>) =>
      (await fetch(`${system.url}/healthz`, { headers })).headers.get('x-request-id');
    expect(await idOf({ 'x-request-id': 'order-42/a' })).toBe('order-42/a');
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    expect(await idOf({ traceparent: `00-${trace}-00f067aa0ba902b7-01` })).toBe(trace);
    const made = /^[0-9a-f]{32}$/;
    for (const headers of [
      {},
      { 'x-request-id': 'a b' },
      { 'x-request-id': 'x'.repeat(129) },
      { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    ])
      expect(await idOf(headers)).toMatch(made);
  });

  it('leaves one line in the log: who, what, how it ended and how long it took, and no query', async () => {
    await using logging = await startLoggingApi();
    const session = await system.connect();
    const headers = { authorization: `Bearer ${session.accessToken}`, 'x-request-id': 'the-one' };
    await fetch(`${logging.url}/jobs?status=published&cursor=`, { headers });
    await fetch(`${logging.url}/callback?code=secret-code&state=secret-state`);
    await fetch(`${logging.url}/healthz`);
    await expect.poll(() => logging.lines.length).toBe(3);
    const [listed, back, probed] = logging.lines;
    expect(listed).toMatchObject({
      level: 'info',
      requestId: 'the-one',
      method: 'GET',
      path: '/jobs',
      accountId: session.account.id,
      durationMs: expect.any(Number),
    });
    expect(back).toMatchObject({ path: '/callback', status: 400 });
    expect(probed).toMatchObject({ level: 'debug', status: 200 });
    expect(JSON.stringify(logging.lines)).not.toContain('secret-');
  });
});

describe('the page of a job', () => {
  it('shows its calls to X, each with what X calls it', async () => {
    const session = await system.connect();
    const job = await session.post({ text: 'With its calls' });
    await expect.poll(() => pageOf(session, job.job_id)).toMatch(/create_tweet<\/code> 201/);
    expect(await pageOf(session, job.job_id)).toMatch(/after \d+ ms/);
  });

  async function pageOf({ accessToken }: Session, jobId: string): Promise<string> {
    const headers = { accept: 'text/html', authorization: `Bearer ${accessToken}` };
    return await (await fetch(`${system.url}/jobs/${jobId}`, { headers })).text();
  }
});
