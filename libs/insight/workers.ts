import { randomUUID } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { lastWords } from './last-words.ts';
import { gauge, type Metric } from './samples.ts';

const key = 'count:workers';
const everyMs = 5000;
const aliveForMs = 3 * everyMs;

const Sign = z.object({
  at: z.number(),
  queues: z.array(z.string()),
  lagSeconds: z.number(),
  residentBytes: z.number(),
});

/** A worker has no port of its own: it leaves a sign of life where any API finds it. */
export async function signOfLife(options: {
  redis: Redis;
  queues: readonly string[];
}): Promise<AsyncDisposable> {
  const { redis, queues } = options;
  const id = randomUUID();
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  async function sign(): Promise<void> {
    const lagSeconds = Number.isFinite(lag.max) ? lag.max / 1e9 : 0;
    lag.reset();
    const residentBytes = process.memoryUsage.rss();
    await redis.hset(key, id, JSON.stringify({ at: Date.now(), queues, lagSeconds, residentBytes }));
  }
  // Those that were killed are forgotten by those that start.
  for (const [other, text] of Object.entries(await redis.hgetall(key)))
    if (!isAlive(text, Date.now() - 60_000)) await redis.hdel(key, other);
  await sign();
  const timer = setInterval(() => void sign().catch(() => {}), everyMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      lag.disable();
      await lastWords(redis.hdel(key, id));
    },
  };
}

const isAlive = (text: string, now: number): boolean => {
  const sign = Sign.safeParse(JSON.parse(text));
  return sign.success && now - sign.data.at < aliveForMs;
};

/** How many workers are alive, and how the worst of them is doing. */
export async function readWorkers(redis: Redis, now: number): Promise<Metric[]> {
  const signs = Object.values(await redis.hgetall(key)).flatMap((text) =>
    isAlive(text, now) ? [Sign.parse(JSON.parse(text))] : [],
  );
  const serving = (queue: string) => signs.filter(({ queues }) => queues.includes(queue)).length;
  return [
    gauge(
      'workers',
      'Workers that gave a sign of life in the last 15 seconds.',
      ['media', 'tweets'].map((queue) => ({ labels: { queue }, value: serving(queue) })),
    ),
    gauge('worker_event_loop_lag_seconds', 'The longest that any worker was held up in its last 5 seconds.', [
      { value: Math.max(0, ...signs.map(({ lagSeconds }) => lagSeconds)) },
    ]),
    gauge('worker_resident_bytes', 'Memory of all workers.', [
      { value: signs.reduce((sum, { residentBytes }) => sum + residentBytes, 0) },
    ]),
  ];
}
