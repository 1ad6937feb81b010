import type { Redis } from 'ioredis';
import { gauge, type Metric } from './samples.ts';

/** Gates whose present window is known, by its end; written with them by libs/publish/scripts/gate-learn.lua. */
const indexKey = 'gates';
const breakers = { credits: 'gate:app:credits', x_down: 'gate:app:down' } as const;
/** A call that tries whether X is back takes its 30 s; the breaker keeps itself closed for it for the first of them. */
const tryMs = 60_000;
/** More accounts than this at a time are not looked at one by one. */
const mostGates = 2000;
const lot = 200;

type Gate = Awaited<ReturnType<typeof readGate>>;

async function readGate(redis: Redis, key: string) {
  const [remaining, limit, resetAt, closedUntil] = await redis.hmget(
    ...([key, 'remaining', 'limit', 'reset_at', 'closed_until'] as const),
  );
  return { key, remaining, limit, resetAt: Number(resetAt ?? 0), closedUntil: Number(closedUntil ?? 0) };
}

interface Tightest {
  ratio: number;
  closed: number;
}

/**
 * How much X's limits still allow: for each endpoint the account, or the app, that is closest to its limit.
 * `waiting`: how many jobs wait for what.
 */
export async function readLimits(
  redis: Redis,
  now: number,
  waiting: Readonly<Record<string, number>>,
): Promise<Metric[]> {
  const keys = await redis.zrange(indexKey, String(now), '+inf', 'BYSCORE', 'LIMIT', 0, mostGates);
  const gates: Gate[] = [];
  // Some at a time: whoever waits for an answer of this process meanwhile gets it between two lots.
  for (let start = 0; start < keys.length; start += lot)
    gates.push(...(await Promise.all(keys.slice(start, start + lot).map((key) => readGate(redis, key)))));
  const found = new Map<string, Tightest>();
  for (const gate of gates) {
    const [, owner = '', endpoint = ''] = gate.key.split(':');
    const name = `${endpoint}|${owner === 'app' ? 'app' : 'user'}`;
    const tightest = found.get(name) ?? { ratio: 1, closed: 0 };
    found.set(name, tightest);
    const closed = gate.closedUntil > now;
    const known = gate.resetAt > now && Number(gate.limit) > 0;
    const left = known ? Math.max(0, Number(gate.remaining)) / Number(gate.limit) : 1;
    tightest.ratio = Math.min(tightest.ratio, closed ? 0 : left);
    if (closed || left === 0) tightest.closed += 1;
  }
  const samples = (value: (tightest: Tightest) => number) =>
    [...found].map(([name, tightest]) => {
      const [endpoint = '', scope = ''] = name.split('|');
      return { labels: { endpoint, scope }, value: value(tightest) };
    });
  return [
    gauge(
      'limit_remaining_ratio',
      "What is left of X's limit where least is left: of all accounts (user) or of the app. 0: used up.",
      samples(({ ratio }) => ratio),
    ),
    gauge(
      'limits_used_up',
      'How many accounts (user), or the app, X lets make no call now.',
      samples(({ closed }) => closed),
    ),
    await readBreakers(redis, now, waiting),
  ];
}

/**
 * A breaker is deleted by the first call that gets through. Until then one call at a time tries, when a post that waits has its
 * turn, which may be long after the breaker's own time. Where none waits nobody tries, and nothing is known.
 */
async function readBreakers(
  redis: Redis,
  now: number,
  waiting: Readonly<Record<string, number>>,
): Promise<Metric> {
  const samples = await Promise.all(
    Object.entries(breakers).map(async ([breaker, key]) => {
      const closedUntil = Number((await redis.hget(key, 'closed_until')) ?? 0);
      const isWaitedFor = closedUntil > 0 && (waiting[breaker] ?? 0) > 0;
      return { labels: { breaker }, value: isWaitedFor || closedUntil + tryMs > now ? 1 : 0 };
    }),
  );
  return gauge(
    'breaker_open',
    '1: credits ran out, or X is down; at most one call at a time tries whether that is over.',
    samples,
  );
}
