import { Worker } from 'bullmq';
import { connectRedis } from '#libs/redis/connect.ts';

/** Takes entries of the queue `bare-latency` and writes down when it got them. Started with the URL of Redis. */
const redis = await connectRedis(process.argv[2] ?? '', 'wait');
new Worker<{ key: string }>(
  'bare-latency',
  async ({ data }) => {
    const at = Number(process.hrtime.bigint()) / 1e6;
    await redis.rpush(data.key, at);
  },
  { connection: redis, concurrency: 8 },
);
console.log('It is ready');
