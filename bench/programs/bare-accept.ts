import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import Koa from 'koa';
import { connectRedis } from '#libs/redis/connect.ts';
import { prepareScript } from '#libs/redis/script.ts';

/** The least that accepting a post durably takes: Koa, one script, one queue entry. Started with the URL of Redis. */
const redis = await connectRedis(process.argv[2] ?? '', 'fail-fast');
const queue = new Queue('bare', { connection: redis, skipMetasUpdate: true });
const accept = prepareScript(
  redis,
  `#!lua
  redis.call('HSET', KEYS[1], 'body', ARGV[1], 'state', 'accepted')
  redis.call('ZADD', KEYS[2], ARGV[2], KEYS[1])
  return 1`,
);
let lastId = 0;
const app = new Koa();
app.use(async (ctx) => {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  lastId += 1;
  const id = `bare-${lastId}`;
  try {
    await accept([`bare:job:${id}`, 'bare:open'], [JSON.stringify(body), Date.now()]);
    await queue.add('wake', { id }, { jobId: id });
  } catch {
    // As ours does where Redis does not answer in time.
    ctx.status = 503;
    return;
  }
  ctx.status = 202;
  ctx.body = { id };
});
const server = createServer(app.callback()).listen(0, '127.0.0.1', () => {
  console.log(`It is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
