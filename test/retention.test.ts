import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectRedis, type RedisConnection } from '#libs/redis/connect.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
let redis: RedisConnection;
beforeAll(async () => {
  // More posts than X lets one account make in a quarter of an hour.
  const many = { limit: 100_000, windowMs: 900_000 };
  const users = ['sandbox_ada', 'sandbox_ben', 'sandbox_cleo', 'sandbox_dora'].map((username, index) => ({
    id: String(1_450_000_000_000_000_001n + BigInt(index)),
    username,
  }));
  const rateLimits = { 'POST /2/tweets': { user: many, app: many } };
  system = await startSystem({ simulator: { rateLimits, users } });
  redis = await connectRedis(system.redis.url, 'wait');
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const batch = 40;

async function publish(session: Session, word: string, length = batch): Promise<string[]> {
  const texts = Array.from({ length }, (_, index) => `${word} ${index}`);
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

it('once their time is over, memory is as it was: a line through its course does not rise', async () => {
  const session = await system.connect('sandbox_cleo');
  const [rounds, each] = [4, 15];
  const course: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await publish(session, `Round ${round}`, each);
    await endEverythingThatEnds();
    course.push(await bytesOfAllKeys());
  }
  // After the first round: what every account and every queue has once is there by then.
  const slope = slopeOf(course.slice(1)) / each;
  expect(slope, `bytes for each finished job; the course: ${course.join(', ')}`).toBeLessThan(20);
}, 60_000);

it('the list of an account forgets the jobs whose time is over', async () => {
  const session = await system.connect('sandbox_ben');
  const list = `jobs:of:${session.account.id}`;
  const ids = await publish(session, 'Old');
  // As after 48 hours.
  await redis.del(...ids.map((id) => `job:${id}`));
  await publish(session, 'New');
  expect(await redis.zcard(list)).toBe(batch);
});

it('… also where its oldest is scheduled for a time that is far away', async () => {
  const session = await system.connect('sandbox_dora');
  const publishAt = new Date(Date.now() + 86_400_000).toISOString();
  await session.request('POST', '/postTweet', { text: 'Tomorrow', publish_at: publishAt });
  const ids = await publish(session, 'Older');
  await redis.del(...ids.map((id) => `job:${id}`));
  await publish(session, 'Newer');
  // One of those that are looked at is taken at random; that it is never a right one is one chance in a billion.
  expect(await redis.zcard(`jobs:of:${session.account.id}`)).toBeLessThan(1 + 2 * batch);
});

/** As after 48 hours: every key that has an end has come to it; so have the queues' finished entries, kept for an hour. */
async function endEverythingThatEnds(): Promise<void> {
  const keys = await redis.keys('*');
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
  const mortal = keys.filter(
    (key, index) => (lives[index] ?? -1) > 0 && /^(job|idem|recent|postowner):/.test(key),
  );
  if (mortal.length > 0) await redis.del(mortal);
  for (const queue of ['media', 'tweets']) {
    const entries = await redis.zrange(`bull:${queue}:completed`, '0', '-1');
    for (const entry of entries) await redis.del(`bull:${queue}:${entry}`, `bull:${queue}:${entry}:logs`);
    await redis.del(`bull:${queue}:completed`);
    // Of at most some 500 entries, which these few jobs do not reach.
    await redis.xtrim(`bull:${queue}:events`, 'MAXLEN', 0);
  }
}

async function bytesOfAllKeys(): Promise<number> {
  const keys = await redis.keys('*');
  const sizes = await Promise.all(keys.map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)));
  return sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
}

/** The slope of the line that fits best (least squares), per step. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const above = values.reduce((sum, value, step) => sum + (step - middle) * (value - mean), 0);
  return above / values.reduce((sum, _, step) => sum + (step - middle) ** 2, 0);
}
