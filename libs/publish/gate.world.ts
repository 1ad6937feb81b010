import type { Redis } from 'ioredis';
import type { XExchange } from '#libs/x-api/x-api.ts';

const minute = 60_000;

/** How an X behaves towards a test of the gate. */
export interface XHabits {
  /** Calls in 15 minutes of an account, in a day of it, in a day of the app; null: no such window. */
  readonly limits: Readonly<Record<Scope, number | null>>;
  /** Whether answers name the windows. */
  readonly tells: 'all' | 'short' | 'nothing';
  /** What a refusal names instead, where it names anything. */
  readonly refusalTells: 'truth' | 'nothing' | 'past' | 'far';
  /** How far X's clock is ahead of ours, ms. */
  readonly aheadMs: number;
}

const scopes = ['user', 'user_24h', 'app_24h'] as const;
type Scope = (typeof scopes)[number];
const windowMs: Readonly<Record<Scope, number>> = {
  user: 15 * minute,
  user_24h: 24 * 60 * minute,
  app_24h: 24 * 60 * minute,
};

/** A window of X; `told`: an answer that names it has been learned. */
export interface XWindow {
  readonly scope: Scope;
  readonly limit: number;
  /** True time. */
  readonly resetAt: number;
  used: number;
  isTold: boolean;
  /** Calls that arrived here and were let through before anything was known of this window. */
  blind: number;
  refused: number;
  /** Calls that were counted at the gate and never here. */
  lost: number;
}

/** An answer on its way, and the windows that it names. */
export interface XAnswer {
  readonly exchange: XExchange;
  readonly windows: readonly XWindow[];
}

/** Keeps limits to the letter: fixed windows that open with the first call in them, a call too many is refused. */
export class StrictX {
  readonly #habits: XHabits;
  readonly #now: () => number;
  readonly #windows = new Map<string, XWindow>();
  /** Everything that there was. */
  readonly all: XWindow[] = [];
  state: 'fine' | 'down' | 'silent' | 'unpaid' = 'fine';

  /** `now`: the true time, epoch ms. */
  constructor(habits: XHabits, now: () => number) {
    this.#habits = habits;
    this.#now = now;
  }

  windowsOf(accountId: string): XWindow[] {
    return scopes.flatMap((scope) => this.#window(scope, accountId) ?? []);
  }

  /** A call arrives. `knew`: the windows of which something was known when it was let through. */
  receive(accountId: string, knew: readonly XWindow[]): XAnswer {
    const windows = this.windowsOf(accountId);
    for (const window of windows) if (!knew.includes(window)) window.blind += 1;
    const full = windows.filter((window) => window.used >= window.limit);
    for (const window of full) window.refused += 1;
    const status = full.length > 0 ? 429 : { fine: 201, down: 503, silent: null, unpaid: 402 }[this.state];
    for (const window of windows)
      if (status === 201) window.used += 1;
      else window.lost += 1;
    const named =
      status === 429 || status === 201 || status === 402 ? this.#name(windows, status === 429) : [];
    const told =
      this.#habits.refusalTells !== 'truth' && status === 429 ? [] : named.map(({ window }) => window);
    const now = this.#now() + this.#habits.aheadMs;
    const exchange: XExchange = {
      endpoint: 'create_tweet',
      status,
      at: this.#now(),
      durationMs: 1,
      rateLimits: named.map(({ limit }) => limit),
      // X's `Date` has whole seconds.
      date: status === null ? null : Math.floor(now / 1000) * 1000,
      transactionId: null,
    };
    return { exchange, windows: told };
  }

  /** Somebody else uses the same account. */
  useElsewhere(accountId: string, calls: number): void {
    for (const window of this.windowsOf(accountId)) {
      window.blind += calls;
      window.used = Math.min(window.limit, window.used + calls);
    }
  }

  #name(windows: readonly XWindow[], isRefusal: boolean) {
    const { tells, refusalTells, aheadMs } = this.#habits;
    if (tells === 'nothing' || (isRefusal && refusalTells === 'nothing')) return [];
    const lie = { past: 1_000_000_000_000, far: 99_999_999_999_000, truth: null, nothing: null }[
      refusalTells
    ];
    return windows
      .filter(({ scope }) => tells === 'all' || scope === 'user')
      .map((window) => {
        const { scope, limit, used, resetAt } = window;
        const told = isRefusal && lie !== null ? lie : resetAt + aheadMs;
        return { window, limit: { scope, limit, remaining: limit - used, resetAt: told } };
      });
  }

  #window(scope: Scope, accountId: string): XWindow | null {
    const limit = this.#habits.limits[scope];
    if (limit === null) return null;
    const key = scope === 'app_24h' ? scope : `${scope} ${accountId}`;
    const known = this.#windows.get(key);
    if (known && known.resetAt > this.#now()) return known;
    const { aheadMs } = this.#habits;
    const resetAt = Math.ceil((this.#now() + aheadMs + windowMs[scope]) / 1000) * 1000 - aheadMs;
    const fresh = { scope, limit, resetAt, used: 0, isTold: false, blind: 0, refused: 0, lost: 0 };
    this.#windows.set(key, fresh);
    this.all.push(fresh);
    return fresh;
  }
}

/**
 * A Redis whose clock is a test's: scripts run as they are but for where they read the time, and keys end when that
 * time is over.
 */
export function createClock(connection: Redis, startedAt: number) {
  let now = startedAt;
  const readsTime = "redis.call('TIME')";
  const redis: Redis = Object.create(connection, {
    evalsha: { value: () => Promise.reject(new Error('NOSCRIPT')) },
    eval: {
      value: (lua: string, keyCount: number, ...rest: string[]) => {
        if (!lua.includes(readsTime)) throw new Error('a script that does not read the time as all do');
        const time = `{'${Math.floor(now / 1000)}', '${(now % 1000) * 1000}'}`;
        return connection.eval(lua.replaceAll(readsTime, time), keyCount, ...rest);
      },
    },
  });
  return {
    redis,
    now: () => now,
    async pass(ms: number): Promise<void> {
      now += ms;
      await connection.eval(ageKeys, 0, ms);
    },
  };
}

const ageKeys = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= tonumber(ARGV[1]) then redis.call('DEL', key)
  elseif left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end`;
