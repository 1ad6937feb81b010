import type { EndpointLimit, Settings } from './settings.ts';

const quarterHourMs = 15 * 60_000;
const dayMs = 24 * 3_600_000;

const perUser = (limit: number) => ({ user: { limit, windowMs: quarterHourMs } });
const perAppDay = (limit: number) => ({ app: { limit, windowMs: dayMs } });

/** X's page "Rate limits" (x-api/fundamentals/rate-limits) and the account's 2,400 posts a day. */
const documentedLimits: Readonly<Record<string, EndpointLimit>> = {
  'POST /2/tweets': { ...perUser(100), ...perAppDay(10_000), userDay: 2_400 },
  'DELETE /2/tweets/:id': perUser(50),
  'GET /2/users/me': perUser(75),
  'GET /2/tweets/:id': { ...perUser(900), app: { limit: 450, windowMs: quarterHourMs } },
  'GET /2/users/:id/tweets': { ...perUser(900), app: { limit: 10_000, windowMs: quarterHourMs } },
  'POST /2/media/upload': { ...perUser(500), ...perAppDay(50_000) },
  'POST /2/media/metadata': { ...perUser(500), ...perAppDay(50_000) },
  'GET /2/media/upload': { ...perUser(1_000), ...perAppDay(100_000) },
  'POST /2/media/upload/initialize': { ...perUser(1_875), ...perAppDay(180_000) },
  'POST /2/media/upload/:id/append': { ...perUser(1_875), ...perAppDay(180_000) },
  'POST /2/media/upload/:id/finalize': { ...perUser(1_875), ...perAppDay(180_000) },
};

interface Window {
  used: number;
  readonly limit: number;
  readonly resetAt: number;
}

/** What counting one request came to. */
export interface Counted {
  readonly limited: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Fixed windows that open with the first request in them, as X keeps them. */
export class RateLimits {
  readonly #settings: Settings;
  readonly #windows = new Map<string, Window>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Counts a request unless a window is full, and says what the headers of its answer are. */
  count(endpoint: string, userId: string, clientId: string): Counted {
    const limits = this.#settings.rateLimits[endpoint] ?? documentedLimits[endpoint];
    if (!limits) return { limited: false, headers: {} };
    const user = limits.user && this.#window(`user ${userId} ${endpoint}`, limits.user);
    const app = limits.app && this.#window(`app ${clientId} ${endpoint}`, limits.app);
    const day =
      limits.userDay === undefined
        ? undefined
        : this.#window(`day ${userId} ${endpoint}`, { limit: limits.userDay, windowMs: dayMs });
    const all = [user, app, day].filter((window) => window !== undefined);
    const limited = all.some((window) => window.used >= window.limit);
    if (!limited) for (const window of all) window.used += 1;
    const appIsDaily = limits.app?.windowMs === dayMs;
    const shortest = appIsDaily ? [user] : [user, app];
    const tightest = shortest
      .filter((window) => window !== undefined)
      .reduce<Window | undefined>((a, b) => (a && left(a) <= left(b) ? a : b), undefined);
    return {
      limited,
      headers: {
        ...headersOf('x-rate-limit', tightest),
        ...(appIsDaily ? headersOf('x-app-limit-24hour', app) : {}),
        ...headersOf('x-user-limit-24hour', day),
      },
    };
  }

  /** Starts every window anew. */
  clear(): void {
    this.#windows.clear();
  }

  #window(key: string, { limit, windowMs }: { limit: number; windowMs: number }): Window {
    const now = this.#settings.now();
    const known = this.#windows.get(key);
    if (known && known.resetAt > now && known.limit === limit) return known;
    // X names its resets in whole seconds: rounded up, a client that waits for them is never too early.
    const fresh = { used: 0, limit, resetAt: Math.ceil((now + windowMs) / 1000) * 1000 };
    this.#windows.set(key, fresh);
    return fresh;
  }
}

function left(window: Window): number {
  return window.limit - window.used;
}

function headersOf(prefix: string, window: Window | undefined): Record<string, string> {
  if (!window) return {};
  return {
    [`${prefix}-limit`]: String(window.limit),
    [`${prefix}-remaining`]: String(Math.max(0, left(window))),
    [`${prefix}-reset`]: String(window.resetAt / 1000),
  };
}
