import sharp from 'sharp';
import { expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { quickTimings } from './quick-timings.ts';
import { startSystem } from './system.ts';

it('the picture of a post for tomorrow is fetched now and waits, however often the sweeper looks at it', async () => {
  await using system = await startSystem({ timings: quickTimings });
  await using redis = await connectRedis(system.redis.url, 'wait');
  const session = await system.connect('sandbox_ben');
  const background = { r: 20, g: 40, b: 60 };
  system.mediaHost.files.set(
    '/p.png',
    await sharp({ create: { width: 48, height: 48, channels: 3, background } })
      .png()
      .toBuffer(),
  );
  const { body } = await session.request('POST', '/postTweet', {
    text: 'Tomorrow',
    media_url: system.mediaHost.url('/p.png'),
    publish_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  const record = `job:${body.job_id}`;
  await expect.poll(() => redis.hget(record, 'item:0:step')).toBe('prepared');
  for (let look = 0; look < 6; look++) {
    await redis.zadd('jobs:open', 1, body.job_id);
    // Not before its time, but for a loss of the queue.
    await expect
      .poll(async () => Number(await redis.zscore('jobs:open', body.job_id)) - Date.now())
      .toBeGreaterThan(20 * 60_000);
  }
  const job = (await session.request('GET', `/jobs/${body.job_id}`)).body;
  expect(job).toMatchObject({ status: 'scheduled', error: null });
  expect(system.mediaHost.requests).toEqual(['/p.png']);
  expect(await redis.hget(record, 'item:0:starts')).toBe('0');
});
