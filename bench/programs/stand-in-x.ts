import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What posting needs of X, and nothing more, so that X is not what is measured: sign-in, media, posts. Whoever presents
 * the code `42` is user 42. Started with the milliseconds that every answer to a post or upload takes.
 */
const delayMs = Number(process.argv[2] ?? 0);
const scope = 'tweet.read tweet.write users.read offline.access media.write';
let lastId = 1_800_000_000_000_000_000n;
let creates: number[] = [];
let segments = 0;
let finalizedAt = 0;

/** On a clock that all processes of the machine share, in ms. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

async function drain(request: IncomingMessage): Promise<void> {
  request.resume();
  await once(request, 'end');
}

type Reply = readonly [status: number, body: object, atOnce?: boolean];

async function answer(request: IncomingMessage): Promise<Reply> {
  const { method, url = '' } = request;
  if (url === '/2/tweets' && method === 'POST') {
    creates.push(now());
    await drain(request);
    lastId += 1n;
    return [201, { data: { id: String(lastId), text: '' } }];
  }
  if (url.endsWith('/append') || url === '/raw') {
    await drain(request);
    segments += 1;
    return [200, { data: {} }];
  }
  if (url === '/2/media/upload/initialize' || url.endsWith('/finalize')) {
    await drain(request);
    if (url.endsWith('/finalize')) finalizedAt = now();
    lastId += 1n;
    const id = url.split('/').at(-2) ?? '';
    const mediaId = /^\d+$/.test(id) ? id : String(lastId);
    return [200, { data: { id: mediaId, media_key: `7_${mediaId}`, expires_after_secs: 86_400 } }];
  }
  return await answerAtOnce(request, url);
}

async function answerAtOnce(request: IncomingMessage, url: string): Promise<Reply> {
  if (url.startsWith('/2/users/me')) {
    await drain(request);
    const id = request.headers.authorization?.replace('Bearer access-', '');
    return [200, { data: { id, username: `user${id}`, name: `User ${id}` } }, true];
  }
  if (url === '/2/oauth2/token') {
    const code = new URLSearchParams(await read(request)).get('code');
    const tokens = { access_token: `access-${code}`, refresh_token: `refresh-${code}` };
    return [200, { token_type: 'bearer', expires_in: 7200, scope, ...tokens }, true];
  }
  if (url === '/seen') return [200, { creates, segments, finalizedAt }, true];
  if (url === '/forget') {
    [creates, segments, finalizedAt] = [[], 0, 0];
    return [200, {}, true];
  }
  return [404, { title: 'Not Found', detail: url }, true];
}

const server = createServer(async (request, response) => {
  const [status, body, atOnce] = await answer(request);
  const reply = () =>
    response
      .writeHead(status, {
        'content-type': 'application/json',
        // As X does: learning from them is part of the work.
        'x-rate-limit-limit': '1000000',
        'x-rate-limit-remaining': '999999',
        'x-rate-limit-reset': String(Math.floor(Date.now() / 1000) + 900),
      })
      .end(JSON.stringify(body));
  if (atOnce || delayMs === 0) reply();
  else setTimeout(reply, delayMs);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`The stand-in is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
