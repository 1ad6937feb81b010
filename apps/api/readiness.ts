import type { Redis } from 'ioredis';
import { ProblemError } from '#libs/problem/problem.ts';
import { refusesPassword } from '#libs/redis/connect.ts';
import { checkDurability } from '#libs/redis/durability.ts';
import { readEpoch } from '#libs/redis/epoch.ts';

/** Redis' settings are looked at so often, so that no post has to wait for that; whether it is reachable, each write shows. */
const lookEveryMs = 1000;
/** How long the last look is believed. */
const believedMs = 1500;

export type Readiness = ReturnType<typeof createReadiness>;

/** Whether posts can be accepted: Redis answers, and keeps what it is given. */
export function createReadiness({
  redis,
  stopping,
  now = Date.now,
}: {
  redis: Redis;
  stopping: AbortSignal;
  now?: () => number;
}) {
  let known: { readonly at: number; readonly problems: readonly string[] } | null = null;
  let asking: Promise<readonly string[]> | null = null;
  let highestEpoch = 0;
  let lastError: Error | undefined;
  redis.on('error', (error) => {
    lastError = error;
  });
  const looking = setInterval(() => void problems(), lookEveryMs).unref();
  stopping.addEventListener('abort', () => clearInterval(looking), { once: true });

  async function ask(): Promise<readonly string[]> {
    try {
      const problems = [
        ...(await checkDurability(redis)).problems,
        ...(await checkMemory(redis)),
        ...(await checkEpoch()),
      ];
      known = { at: now(), problems };
      return problems;
    } catch {
      known = null;
      return [
        refusesPassword(lastError) ? 'Redis refuses the password in REDIS_URL.' : 'Redis does not answer.',
      ];
    }
  }

  /** What a Redis that went back in time has forgotten is first to be looked for by the workers. */
  async function checkEpoch(): Promise<string[]> {
    const { epoch, wentBackAt } = await readEpoch(redis);
    const isOlder = epoch < highestEpoch;
    highestEpoch = Math.max(highestEpoch, epoch);
    if (!isOlder && wentBackAt === null) return [];
    return ['Redis went back in time: a worker has to look on X for what it has forgotten.'];
  }

  /** One sentence for each thing that is wrong; empty: ready. */
  async function problems(): Promise<readonly string[]> {
    if (stopping.aborted) return ['This server is stopping.'];
    asking ??= ask().finally(() => {
      asking = null;
    });
    return await asking;
  }

  /** @throws {ProblemError} unavailable, while an accepted post could be lost */
  async function ensureDurable(): Promise<void> {
    const fresh = known && now() - known.at < believedMs ? known.problems : await problems();
    if (stopping.aborted || fresh.length > 0)
      throw new ProblemError(
        'unavailable',
        `Nothing can be accepted at the moment: ${fresh[0] ?? 'this server is stopping.'} Try again later.`,
        {
          retryAfterSeconds: 5,
        },
      );
  }

  return { problems, ensureDurable };
}

/** What is accepted must also be finished: the last fifth of Redis' memory is for that. */
async function checkMemory(redis: Redis): Promise<string[]> {
  const memory = await redis.info('memory').catch(() => '');
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  const [used, most] = [read('used_memory'), read('maxmemory')];
  return most > 0 && used > 0.8 * most ? ['Redis is nearly full: what is in work is finished first.'] : [];
}
