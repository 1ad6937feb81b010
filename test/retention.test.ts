import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
let redis: RedisConnection;
beforeAll(async () => {
  system = await startSystem();
  redis = await connectRedis(system.redis.url, 'wait');
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const batch = 40;

async function publish(session: Session, word: string): Promise<string[]> {
  const texts = Array.from({ length: batch }, (_, index) => `${word} ${index}`);
  const asked = await Promise.all(
    texts.map((text) => session.request('POST', '/postTweet', { text, request_id: text })),
  );
  for (const { body } of asked)
    expect(await session.ended(body.job_id)).toMatchObject({ status: 'published' });
  return asked.map(({ body }) => body.job_id);
}

/** What a key is about, without the ids in it. */
const kindOf = (key: string): string => key.split(':').slice(0, 2).join(':');

/** Kinds of keys that have no end, each of a size that finished jobs do not grow. */
const lasting =
  /^(jobs:(open|of)|account|accounts|spend|count|epoch|gates?|bull:(media|tweets)|keys|oauth|workers|life)/;

async function keysWithoutEnd(): Promise<string[]> {
  const keys = await redis.keys('*');
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
  return keys.filter((_, index) => lives[index] === -1);
}

it('finished jobs leave nothing behind for ever, and little until then', async () => {
  const session = await system.connect();
  await publish(session, 'Warm-up');
  const memory = async () => Number(/used_memory_dataset:(\d+)/.exec(await redis.info('memory'))?.[1]);
  const before = await memory();
  await publish(session, 'Measured');
  const bytesEach = ((await memory()) - before) / batch;
  // Record, key, content, history, calls and the queue's own entry; a million over 48 hours fit into 8 GB.
  expect(bytesEach).toBeLessThan(8000);

  const endless = await keysWithoutEnd();
  expect(endless.filter((key) => !lasting.test(key)).map(kindOf)).toEqual([]);
  expect(endless.filter((key) => /^(job|idem|recent|postowner|open|lane):/.test(key))).toEqual([]);
  expect(await redis.zcard('jobs:open')).toBe(0);
});

it('the list of an account forgets the jobs whose time is over', async () => {
  const session = await system.connect('sandbox_ben');
  const list = `jobs:of:${session.account.id}`;
  const ids = await publish(session, 'Old');
  // As after 48 hours.
  await redis.del(...ids.map((id) => `job:${id}`));
  await publish(session, 'New');
  expect(await redis.zcard(list)).toBe(batch);
});
