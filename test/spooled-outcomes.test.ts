import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { planCreated } from '#libs/publish/outcome-plan.ts';
import { outcomeKind } from '#libs/publish/record-outcome.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { openSpool } from '#libs/spool/spool.ts';
import { quickTimings } from './quick-timings.ts';
import { startSystem } from './system.ts';

it('an outcome whose run gave up on Redis is stored while the worker runs on, and not only when it starts again', async () => {
  await using system = await startSystem({ timings: { ...quickTimings, tidyEveryMs: 200 } });
  const session = await system.connect();
  const { body } = await session.request('POST', '/postTweet', {
    text: 'Made long ago',
    publish_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  await using redis = await connectRedis(system.redis.url, 'wait');
  const sealer = createSealer(system.config.secrets.tokenKeys);
  const jobs = createJobStore({ redis, sealer });
  const job = await jobs.find(body.job_id);
  if (!job) throw new Error('the job is gone');
  const { name, facts } = planCreated(job, jobs.openOrder(job), { id: '4711', claim: 'take' });
  await using spool = await openSpool(join(system.dataDir, 'spool'), sealer);
  await spool.append(outcomeKind, {
    ...{ jobId: job.id, accountId: job.accountId, name, facts: { ...facts, moveId: 'created:before' } },
  });
  expect(await session.ended(job.id)).toMatchObject({ status: 'published', tweet_id: '4711' });
  await expect.poll(() => spool.entries(outcomeKind)).toEqual([]);
});
