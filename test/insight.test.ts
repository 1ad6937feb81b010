import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { type System, startSystem } from './system.ts';

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

async function scrape(): Promise<string> {
  const answer = await fetch(`${system.url}/metrics`, {
    headers: { authorization: `Bearer ${metricsToken}` },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return await answer.text();
}

/** The value of a series; undefined where there is none. */
function seriesOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Counts are written every second: asks until one is there. */
async function untilCounted(series: string, value: number): Promise<string> {
  return await expect
    .poll(
      async () => {
        const text = await scrape();
        return (seriesOf(text, series) ?? 0) >= value ? text : null;
      },
      { timeout: 15_000, interval: 250 },
    )
    .not.toBeNull()
    .then(scrape);
}

describe('/metrics', () => {
  it('tells what was accepted, published and refused, and what it took at X', async () => {
    const session = await system.connect();
    system.mediaHost.files.set(
      '/a.png',
      await sharp({ create: { width: 64, height: 64, channels: 3, background: '#00f' } })
        .png()
        .toBuffer(),
    );
    await session.post({ text: 'One with a picture', media_url: system.mediaHost.url('/a.png') });
    await session.post({ text: 'A thread', thread: [{ text: 'of two' }] });
    system.simulator.faults.next('POST /2/tweets', { answer: { status: 400, body: { title: 'No' } } });
    const text = await untilCounted('post_to_x_x_calls_total{endpoint="create_tweet",status="201"}', 3);
    expect(seriesOf(text, 'post_to_x_jobs_accepted_total')).toBe(2);
    expect(seriesOf(text, 'post_to_x_jobs_ended_total{outcome="published",code=""}')).toBe(2);
    expect(seriesOf(text, 'post_to_x_posts_created_total')).toBe(3);
    expect(seriesOf(text, 'post_to_x_publish_seconds_count')).toBe(2);
    expect(seriesOf(text, 'post_to_x_publish_seconds_bucket{le="+Inf"}')).toBe(2);
    expect(seriesOf(text, 'post_to_x_publish_seconds_sum')).toBeGreaterThan(0);
    expect(seriesOf(text, 'post_to_x_media_bytes_total{direction="uploaded"}')).toBeGreaterThan(50);
    for (const step of ['fetch', 'prepare', 'upload'])
      expect(seriesOf(text, `post_to_x_media_seconds_count{step="${step}"}`)).toBe(1);
    expect(seriesOf(text, 'post_to_x_spend_month_usd')).toBeGreaterThan(0);
    expect(seriesOf(text, 'post_to_x_budget_month_usd')).toBe(25);
    const left = seriesOf(text, 'post_to_x_limit_remaining_ratio{endpoint="create_tweet",scope="user"}');
    expect(left).toBeGreaterThan(0.5);
    expect(left).toBeLessThan(1);
    expect(seriesOf(text, 'post_to_x_workers{queue="tweets"}')).toBe(1);
    expect(seriesOf(text, 'post_to_x_ready')).toBe(1);
    expect(seriesOf(text, 'post_to_x_jobs_open{status="processing"}')).toBe(0);
    expect(seriesOf(text, 'post_to_x_queue_entries{queue="tweets",state="active"}')).toBe(0);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    expect(text).toMatch(
      /^post_to_x_http_request_seconds_count\{method="POST",route="\/postTweet",status="202"\} 2$/m,
    );
  });
});
