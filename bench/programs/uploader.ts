import { Agent } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TwitterApi } from 'twitter-api-v2';
import { Pool, request } from 'undici';

/**
 * Brings the file at a URL to X in one of three other ways: with the usual client library, as one raw PUT, or cut
 * through: eight segments of 4 MB on their way while the download still runs, and nothing besides.
 * Started with the way, the file's URL, X's, and that of a small file to bring first; waits for a moment before that,
 * so that its idle memory can be seen.
 */
const [way = '', fileUrl = '', xUrl = '', warmUpUrl = ''] = process.argv.slice(2);
const segmentBytes = 4 * 1024 * 1024;
const inFlight = 8;

/** The library speaks https alone; its connections end at the stand-in, unencrypted. */
class PlainAgent extends Agent {
  override createConnection() {
    return connect(Number(new URL(xUrl).port), '127.0.0.1');
  }
}

const ways: Readonly<Record<string, (fileUrl: string) => Promise<void>>> = {
  async library(url) {
    const media = Buffer.from(await (await fetch(url)).arrayBuffer());
    const client = new TwitterApi('access-1', { httpAgent: new PlainAgent({ keepAlive: true }) });
    await client.v2.uploadMedia(media, { media_type: 'video/mp4', media_category: 'tweet_video' });
  },
  async put(url) {
    const { body, headers } = await request(url);
    const length = String(headers['content-length']);
    const answer = await request(`${xUrl}/raw`, {
      method: 'PUT',
      body,
      headers: { 'content-length': length },
    });
    await answer.body.dump();
  },
  async cutThrough(url) {
    const pool = new Pool(xUrl, { connections: inFlight });
    const call = async (path: string, body: Buffer | string) => {
      const answer = await pool.request({ method: 'POST', path, body });
      return await answer.body.text();
    };
    const { data } = JSON.parse(await call('/2/media/upload/initialize', '{}'));
    const onTheWay = new Set<Promise<unknown>>();
    const append = async (segment: Buffer) => {
      while (onTheWay.size >= inFlight) await Promise.race(onTheWay);
      const sent: Promise<unknown> = call(`/2/media/upload/${data.id}/append`, segment).finally(() =>
        onTheWay.delete(sent),
      );
      onTheWay.add(sent);
    };
    let chunks: Buffer[] = [];
    let bytes = 0;
    const { body } = await request(url);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < segmentBytes) continue;
      await append(Buffer.concat(chunks));
      [chunks, bytes] = [[], 0];
    }
    await append(Buffer.concat(chunks));
    await Promise.all(onTheWay);
    await call(`/2/media/upload/${data.id}/finalize`, '{}');
    await pool.close();
  },
};

console.log('It is ready');
await sleep(300);
await ways[way]?.(warmUpUrl);
const startedAt = performance.now();
await ways[way]?.(fileUrl);
const ms = performance.now() - startedAt;
console.log(JSON.stringify({ ms }));
process.exit();
