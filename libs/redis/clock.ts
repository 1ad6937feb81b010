import type { Redis } from 'ioredis';

/** An answer that took longer says too little about the moment in which it was given. */
const mostMs = 500;

export interface RedisClock extends Disposable {
  /** Epoch ms. */
  now(): number;
}

/**
 * Redis' clock, as near as its answers tell: what several processes write down and compare goes by this one, because
 * the clocks of their machines differ. Between two answers it goes on evenly, whatever is done to the clock of this
 * machine.
 */
export async function followRedisClock(redis: Redis, { everyMs = 10_000 } = {}): Promise<RedisClock> {
  let ahead = 0;
  async function measure(): Promise<void> {
    const before = performance.now();
    const [seconds, micros] = await redis.time();
    const after = performance.now();
    const time = Number(seconds) * 1000 + Number(micros) / 1000;
    if (ahead === 0 || after - before < mostMs) ahead = time - (before + after) / 2;
  }
  await measure();
  // While Redis is away the last answer serves on.
  const timer = setInterval(() => void measure().catch(() => {}), everyMs).unref();
  return {
    now: () => Math.floor(ahead + performance.now()),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
