import { Worker } from 'bullmq';
import { Client } from 'undici';
import { connectRedis } from '#libs/redis/connect.ts';
import { prepareScript } from '#libs/redis/script.ts';

/** The least that publishing safely takes: one script before, one POST on a fresh connection, one script after. */
const [redisUrl = '', xUrl = ''] = process.argv.slice(2);
const redis = await connectRedis(redisUrl, 'wait');
const write = prepareScript(redis, "#!lua\nreturn redis.call('HSET', KEYS[1], 'state', ARGV[1])");

async function post(text: string): Promise<string> {
  const client = new Client(xUrl, { pipelining: 0 });
  const { body } = await client.request({
    path: '/2/tweets',
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer access-1' },
    body: JSON.stringify({ text }),
  });
  const { data } = (await body.json()) as { data: { id: string } };
  await client.destroy();
  return data.id;
}

new Worker<{ text: string }>(
  'bare',
  async ({ id, data }) => {
    await write([`bare:job:${id}`], ['sending']);
    await write([`bare:job:${id}`], [await post(data.text)]);
  },
  { connection: redis, concurrency: 50, removeOnComplete: { count: 1000 } },
);
console.log('It is ready');
