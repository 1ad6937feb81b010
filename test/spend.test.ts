import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type System, startSystem } from './system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem({ environment: { ACCOUNT_MONTHLY_BUDGET_USD: '0.25' } });
});
afterAll(() => system[Symbol.asyncDispose]());

interface Me {
  readonly spend: { readonly month: string; readonly spent_usd: number; readonly budget_usd: number | null };
}

it('what X charges is booked, and a post that exceeds the budget is refused before anything is queued', async () => {
  const session = await system.connect();
  expect((await session.post({ text: 'Plain text' })).status).toBe('published');
  expect((await session.post({ text: 'With a link: https://example.com' })).status).toBe('published');
  const spent = async () => (await session.request<Me>('GET', '/me')).body.spend;
  await expect.poll(spent).toMatchObject({ spent_usd: 0.215, budget_usd: 0.25 });

  const refused = await session.request<{ code: string; detail: string }>('POST', '/postTweet', {
    text: 'https://example.com again',
  });
  expect(refused).toMatchObject({ status: 403, body: { code: 'budget_exceeded' } });
  expect(refused.body.detail).toMatch(/\$0\.215 of this account's monthly budget of \$0\.25/);
  const checked = await session.request<{
    valid: boolean;
    estimated_cost_usd: number;
    warnings: { code: string }[];
  }>('POST', '/validateTweet', { text: 'https://example.com again' });
  expect(checked.body).toMatchObject({
    valid: false,
    estimated_cost_usd: 0.2,
    warnings: [{ code: 'link_price' }],
  });
  expect((await session.post({ text: 'Short enough of money' })).status).toBe('published');
});

it('posts that were accepted while the budget still had room for each are sent only as long as it has', async () => {
  const session = await system.connect('sandbox_ben');
  const hold = system.simulator.faults.hold('POST /2/tweets', 'read');
  const ask = (text: string) => session.request<JobView>('POST', '/postTweet', { text });
  const first = await ask('https://example.com first');
  await hold.reached;
  const second = await ask('https://example.com second');
  expect([first.status, second.status]).toEqual([202, 202]);
  // Asleep until it is its turn: what is just about to be sent is not held back any more.
  await using redis = await connectRedis(system.redis.url, 'wait');
  await expect.poll(() => redis.zcard('bull:tweets:delayed')).toBe(1);
  hold.release();
  const end = (job: JobView) => session.request<JobView>('GET', `/jobs/${job.job_id}?wait_seconds=40`);
  expect((await end(first.body)).body.status).toBe('published');
  expect((await end(second.body)).body).toMatchObject({
    status: 'failed',
    error: { code: 'budget_exceeded', detail: expect.stringContaining('$0.200 of this account') },
  });
  expect(system.simulator.state.tweets.visible(session.account.id)).toHaveLength(1);
});
