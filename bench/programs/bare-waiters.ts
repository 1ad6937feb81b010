import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';

/** Long polls with nothing around them: Koa and one emitter. `POST /go` answers all who wait, with that body. */
const emitter = new EventEmitter().setMaxListeners(0);
const app = new Koa();
app.use(async (ctx) => {
  if (ctx.method === 'POST') {
    const chunks: Buffer[] = [];
    for await (const chunk of ctx.req as AsyncIterable<Buffer>) chunks.push(chunk);
    emitter.emit('go', JSON.parse(Buffer.concat(chunks).toString()));
    ctx.body = {};
    return;
  }
  ctx.body = await new Promise((resolve) => emitter.once('go', resolve));
});
const server = createServer(app.callback()).listen(0, '127.0.0.1', () => {
  console.log(`It is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
