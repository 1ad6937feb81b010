import type { Redis } from 'ioredis';
import { z } from 'zod';
import { lastWords } from '#libs/insight/last-words.ts';
import { prepareScript } from '#libs/redis/script.ts';

/** The latest calls that are kept of one job: a long video has hundreds of segments. */
export const callsKept = 50;

const JobCall = z.object({
  /** When the answer came, epoch ms by the worker's clock. */
  at: z.number(),
  endpoint: z.string(),
  /** null: no answer. */
  status: z.number().nullable(),
  durationMs: z.number(),
  /** X's name for the call, to ask X about it; null when X gave none. */
  transactionId: z.string().nullable(),
});

/** One call to X on behalf of a job. */
export type JobCall = z.infer<typeof JobCall>;

/** The calls to X of each job, in `job:<id>:calls`, for its page: nothing depends on them. */
export interface JobCalls extends AsyncDisposable {
  /** Written within `everyMs`, together with all others: what a crash catches before that is lost. */
  tell(jobId: string, call: Omit<JobCall, 'at'>): void;
  /** The latest calls of a job, oldest first. */
  read(jobId: string): Promise<JobCall[]>;
}

/** They live as long as the record, whose end may have come first. KEYS record, calls · ARGV most kept, calls as JSON */
const append = `
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 0 end
redis.call('RPUSH', KEYS[2], unpack(ARGV, 2))
redis.call('LTRIM', KEYS[2], -ARGV[1], -1)
if left > 0 then redis.call('PEXPIRE', KEYS[2], left) end
return 1`;

const keyOf = (jobId: string) => `job:${jobId}:calls`;

/** A call as its job's page is told of it. */
export function toCallLine({ at, endpoint, status, durationMs, transactionId }: JobCall): string {
  return JSON.stringify({ at, endpoint, status, durationMs: Math.round(durationMs), transactionId });
}

/** Opens the calls of a process; disposing of it writes what is left. */
export function createJobCalls({ redis, everyMs = 500 }: { redis: Redis; everyMs?: number }): JobCalls {
  const script = prepareScript(redis, append);
  let pending = new Map<string, JobCall[]>();
  let timer: NodeJS.Timeout | null = null;

  async function flush(): Promise<void> {
    timer = null;
    const taken = pending;
    pending = new Map();
    const writes = [...taken].map(([jobId, calls]) =>
      script([`job:${jobId}`, keyOf(jobId)], [callsKept, ...calls.map((call) => JSON.stringify(call))]),
    );
    // Redis is away: what these would have told is not worth waiting for.
    await Promise.allSettled(writes);
  }

  return {
    tell(jobId, { endpoint, status, durationMs, transactionId }) {
      const calls = pending.get(jobId) ?? [];
      pending.set(jobId, calls);
      calls.push({ at: Date.now(), endpoint, status, durationMs: Math.round(durationMs), transactionId });
      if (calls.length > callsKept) calls.shift();
      timer ??= setTimeout(() => void flush(), everyMs);
    },
    async read(jobId) {
      const lines = await redis.lrange(keyOf(jobId), 0, '-1');
      return lines.flatMap((line) => {
        const parsed = JobCall.safeParse(JSON.parse(line));
        return parsed.success ? [parsed.data] : [];
      });
    },
    async [Symbol.asyncDispose]() {
      if (timer) clearTimeout(timer);
      await lastWords(flush());
    },
  };
}
