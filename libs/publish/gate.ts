import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { WaitReason } from '#libs/jobs/job.ts';
import { prepareScript } from '#libs/redis/script.ts';
import type { XEndpoint, XExchange } from '#libs/x-api/x-api.ts';

export type Passage =
  | { readonly open: true }
  /** Closed until then (epoch ms): no call, no slot held. */
  | { readonly open: false; readonly until: number; readonly reason: WaitReason };

/** X's limits as its answers tell them, shared by all workers: one gate per account and endpoint, one per app. */
export type Gate = ReturnType<typeof createGate>;

const minute = 60_000;

/** Calls that X bills: closed while the app has no credits. */
const billed: readonly XEndpoint[] = ['create_tweet', 'delete_tweet', 'media_metadata', 'finalize'];

export function createGate({ redis, random = Math.random }: { redis: Redis; random?: () => number }) {
  const script = (name: string) =>
    prepareScript(
      redis,
      `#!lua flags=allow-oom\n${readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8')}`,
    );
  const takeScript = script('gate-take');
  const closeScript = script('gate-close');
  const putBackScript = script('gate-put-back');

  const accountKey = (accountId: string, endpoint: XEndpoint) => `gate:${accountId}:${endpoint}`;
  const dayKey = (accountId: string, endpoint: XEndpoint) => `gate:${accountId}:${endpoint}:24h`;
  const appKey = (endpoint: XEndpoint) => `gate:app:${endpoint}`;
  const downKey = 'gate:app:down';
  const indexKey = 'gates';
  const creditsKey = 'gate:app:credits';

  /** Whether a call could be made now, without counting one. */
  async function peek(accountId: string, endpoint: XEndpoint): Promise<Passage> {
    return await ask(accountId, endpoint, 'peek');
  }

  /** Asks for one call. Read before every call to X, so that more workers never mean more calls. */
  async function take(accountId: string, endpoint: XEndpoint): Promise<Passage> {
    return await ask(accountId, endpoint, 'take');
  }

  async function ask(accountId: string, endpoint: XEndpoint, mode: 'take' | 'peek'): Promise<Passage> {
    const keys = [downKey, accountKey(accountId, endpoint), dayKey(accountId, endpoint), appKey(endpoint)];
    if (billed.includes(endpoint)) keys.push(creditsKey);
    const [index, until] = (await takeScript(keys, [mode])) as [number, number];
    if (index === 0) return { open: true };
    const reason: WaitReason = index === 1 ? 'x_down' : index === 5 ? 'credits' : 'limit';
    // Jitter spreads those who wait for the same moment.
    return { open: false, until: until + Math.floor(random() * 400), reason };
  }

  const close = (key: string, mode: string, first = 0, second = 0, third = 0) =>
    closeScript([key, indexKey], [mode, first, second, third]);

  /** Learns from an answer of X, or from its absence. */
  async function learn(accountId: string, exchange: XExchange): Promise<void> {
    const { endpoint, status, rateLimits } = exchange;
    // X's resets are times by its own clock.
    const skew = exchange.date === null ? 0 : Date.now() - exchange.date;
    const tasks: Promise<unknown>[] = [];
    const open: string[] = [];
    for (const limit of rateLimits) {
      // Each window has a gate of its own: the short one being open says nothing about the long one.
      const key = {
        user: accountKey(accountId, endpoint),
        user_24h: dayKey(accountId, endpoint),
        app_24h: appKey(endpoint),
      }[limit.scope];
      const resetAt = Math.min(limit.resetAt + skew, Date.now() + 24 * 60 * minute);
      if (limit.remaining <= 0 || status === 429) tasks.push(close(key, 'until', resetAt));
      else tasks.push(close(key, 'remaining', resetAt, limit.remaining, limit.limit));
    }
    const told = rateLimits.some((limit) => limit.resetAt + skew > Date.now());
    if (status === 429 && !told)
      tasks.push(close(accountKey(accountId, endpoint), 'back_off', 0, minute, 15 * minute));
    if (status === 402) tasks.push(close(creditsKey, 'back_off', 0, minute, 15 * minute));
    else if (status !== null && status < 300 && billed.includes(endpoint)) open.push(creditsKey);
    if (status === null || status >= 500) tasks.push(close(downKey, 'strike', 5, 10_000, 5 * minute));
    else open.push(downKey);
    // After most answers neither is there, and nothing is written.
    if (open.length > 0) tasks.push(redis.del(...open));
    await Promise.all(tasks);
  }

  /** A call that was let through was not made after all. */
  async function putBack(accountId: string, endpoint: XEndpoint): Promise<void> {
    await putBackScript([accountKey(accountId, endpoint), appKey(endpoint)], []);
  }

  return { take, putBack, peek, learn };
}
