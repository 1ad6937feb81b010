import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Redis } from 'ioredis';

const key = 'epoch';

/** What a look at the epoch shows. */
export interface EpochReading {
  /** Higher than every epoch that anybody saw before. */
  readonly epoch: number;
  /**
   * Not null: Redis forgot writes that it had acknowledged (an older file restored, a flush, another Redis), so
   * that any record may be older than what really happened, and nobody has settled that yet. The moment when it
   * was noticed, in epoch ms by Redis' clock.
   */
  readonly wentBackAt: number | null;
  /** The Redis process that answered, another one after every restart; null where `INFO` is forbidden. */
  readonly runId: string | null;
  /**
   * Why the file could not be written; null: it was, or there is none. While a process runs, it notices a loss all the
   * same; one that happens while none is running shows at the next start only if it goes back beyond the last write.
   */
  readonly fileError: unknown;
}

/** Notices a Redis that went back in time. */
export interface EpochWatch {
  /**
   * Raises the epoch and compares it with all that is known of it. Call it before work begins, after every
   * reconnect and about once a second: a loss between two calls shows at the second. Rejects when Redis is away.
   */
  check(): Promise<EpochReading>;
  /** Says that everything has been done about the loss noticed at `wentBackAt`; a later one stays open. */
  settle(wentBackAt: number): Promise<void>;
  /** Forgets this watch in Redis. */
  close(): Promise<void>;
}

interface EpochOptions {
  readonly redis: Redis;
  /** Keeps the highest epoch seen, so that a loss while no process was running is noticed at the next start. One per process. */
  readonly file?: string;
}

/**
 * Every watch has a number of its own in Redis, next to the common epoch: each was acknowledged, so each must
 * still be there. Watches whose process died are swept a million epochs later.
 */
const raise = `
local field, mine, highest = 'watch:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0)
local stored = tonumber(redis.call('HGET', KEYS[1], field) or 0)
if epoch < highest or stored < mine then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'went_back_at', time[1] .. string.format('%03d', math.floor(time[2] / 1000)))
end
local raised = math.max(epoch, highest) + 1
if mine == 0 then
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 6) == 'watch:' and tonumber(all[i + 1]) < raised - 1000000 then
      redis.call('HDEL', KEYS[1], all[i])
    end
  end
end
redis.call('HSET', KEYS[1], 'epoch', raised, field, raised)
return { raised, redis.call('HGET', KEYS[1], 'went_back_at') }
`;

const settleLoss = `
if redis.call('HGET', KEYS[1], 'went_back_at') == ARGV[1] then redis.call('HDEL', KEYS[1], 'went_back_at') end
return 1
`;

/** Begins to watch; touches Redis only with the first `check()`. */
export async function createEpochWatch({ redis, file }: EpochOptions): Promise<EpochWatch> {
  const watchId = randomUUID();
  let mine = 0;
  let highest = file === undefined ? 0 : await readHighest(file);
  return {
    async check() {
      const answer = await redis.eval(raise, 1, key, watchId, mine, highest);
      const [epoch, wentBackAt] = parseAnswer(answer);
      // Side by side with another check of ours, the later answer may come first.
      mine = highest = Math.max(highest, epoch);
      // A full disk must not hide what Redis has said.
      const fileError = await writeHighest(file, epoch).then(
        () => null,
        (error: unknown) => error,
      );
      return { epoch, wentBackAt, runId: await readRunId(redis), fileError };
    },
    async settle(wentBackAt) {
      await redis.eval(settleLoss, 1, key, String(wentBackAt));
    },
    async close() {
      await redis.hdel(key, `watch:${watchId}`);
    },
  };
}

/** What is known of the epoch, for somebody who only wants to look. */
export async function readEpoch(redis: Redis): Promise<Pick<EpochReading, 'epoch' | 'wentBackAt'>> {
  const [epoch, wentBackAt] = await redis.hmget(key, 'epoch', 'went_back_at');
  return { epoch: Number(epoch ?? 0), wentBackAt: wentBackAt ? Number(wentBackAt) : null };
}

function parseAnswer(answer: unknown): [epoch: number, wentBackAt: number | null] {
  const [epoch, wentBackAt] = Array.isArray(answer) ? answer : [];
  if (typeof epoch !== 'number') throw new Error('the epoch script answered nonsense');
  return [epoch, typeof wentBackAt === 'string' ? Number(wentBackAt) : null];
}

async function readRunId(redis: Redis): Promise<string | null> {
  const info = await redis.info('server').catch(() => '');
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? null;
}

async function readHighest(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch(() => '0');
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

async function writeHighest(file: string | undefined, epoch: number): Promise<void> {
  if (file === undefined) return;
  await mkdir(dirname(file), { recursive: true });
  const next = `${file}.${randomUUID()}`;
  try {
    await writeFile(next, String(epoch));
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}
