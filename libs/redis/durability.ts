import type { Redis } from 'ioredis';

/** What a Redis must answer to `CONFIG GET` to keep every write that it acknowledged, and why. */
const required = {
  appendonly: { value: 'yes', danger: 'a restart of Redis would lose accepted posts' },
  appendfsync: { value: 'always', danger: 'a power failure would lose posts that were already accepted' },
  'no-appendfsync-on-rewrite': {
    value: 'no',
    danger: 'writes would not be safe while Redis compacts its file',
  },
  'maxmemory-policy': {
    value: 'noeviction',
    danger: 'Redis would throw away accepted posts when memory runs short',
  },
} as const;

const names = Object.keys(required) as readonly (keyof typeof required)[];

/** What is known about a Redis: settings by name; undefined where it would not say. */
export type RedisSettings = Readonly<Partial<Record<string, string>>>;

/** One sentence for each setting that is known and wrong, each with what to set; empty: nothing known is wrong. */
export function durabilityProblems(settings: RedisSettings): readonly string[] {
  return names.flatMap((name) => {
    const { value, danger } = required[name];
    const is = settings[name];
    if (is === undefined || is === value) return [];
    return [`Redis has ${name} ${is || '""'} and needs ${name} ${value}: ${danger}.`];
  });
}

/** How far a Redis can be trusted with accepted posts. */
export interface Durability {
  /** One sentence each; not empty: nothing may be accepted. */
  readonly problems: readonly string[];
  /** The settings that this Redis keeps to itself: its operator must know that they are right. */
  readonly unchecked: readonly string[];
}

/**
 * Asks a Redis for its settings and for the state of its append-only file. Hosted ones often forbid `CONFIG`;
 * `INFO` then still tells some of it. Throws only when Redis does not answer at all.
 */
export async function checkDurability(redis: Redis): Promise<Durability> {
  const info = await readInfo(redis);
  const settings: Record<string, string | undefined> = {
    appendonly: { 0: 'no', 1: 'yes' }[info.aof_enabled ?? ''],
    'maxmemory-policy': info.maxmemory_policy,
  };
  for (const name of names) settings[name] = (await readSetting(redis, name)) ?? settings[name];
  const problems = [...durabilityProblems(settings)];
  if (info.aof_last_write_status === 'err')
    problems.push('Redis could not write its append-only file: is its disk full?');
  if (info.role === 'slave')
    problems.push('This Redis is a replica: REDIS_URL must name the one that takes writes.');
  return { problems, unchecked: names.filter((name) => settings[name] === undefined) };
}

async function readSetting(redis: Redis, name: string): Promise<string | undefined> {
  const answer = await unlessRefused(redis.call('CONFIG', 'GET', name));
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] : undefined;
}

async function readInfo(redis: Redis): Promise<Readonly<Partial<Record<string, string>>>> {
  const answer = await unlessRefused(redis.call('INFO'));
  if (typeof answer !== 'string') return {};
  const pairs = answer.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(pairs.map((line) => line.split(/:(.*)/s, 2)));
}

/** The answer, or undefined where Redis knows no such command or does not allow it. */
async function unlessRefused(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && /^(NOPERM|ERR unknown command|ERR command)/i.test(error.message))
      return undefined;
    throw error;
  }
}
