import type { z } from 'zod';
import { Environment, type PriceName, type QueueName, type TokenKey } from './environment.ts';
import {
  ignoredVariables,
  missingVariables,
  type Role,
  riskyValues,
  usableFlaskKey,
} from './whole-environment.ts';

export type { QueueName, TokenKey } from './environment.ts';
export type { Role } from './whole-environment.ts';

export interface Config {
  readonly http: {
    readonly host: string;
    /** 0 picks a free port. */
    readonly port: number;
    /** The only source of absolute URLs. Without it: `http://localhost:<port listened on>`. No trailing slash. */
    readonly publicUrl: string | undefined;
    /** How many proxies in front add to X-Forwarded-For; 0: the header is not believed. */
    readonly trustedProxies: number;
  };
  readonly x: {
    readonly apiUrl: string;
    readonly authorizeUrl: string;
    readonly clientId: string;
    readonly clientSecret: string;
    /** Without it: `PUBLIC_URL/callback`. */
    readonly redirectUri: string | undefined;
    /** No X app is configured: X is the simulator and nothing is really posted. */
    readonly sandbox: boolean;
  };
  /** Unset only for `start`, which then brings its own Redis. */
  readonly redisUrl: string | undefined;
  readonly dataDir: string;
  readonly secrets: {
    readonly secretKey: string | undefined;
    /** The first seals, all open. Empty only for `start`, which then generates one. */
    readonly tokenKeys: readonly TokenKey[];
  };
  readonly gpt: {
    readonly clientId: string;
    readonly clientSecret: string;
    readonly redirectUris: readonly string[];
  } | null;
  /** Which front doors are open: the HTTP API for Actions and scripts, `/mcp` for MCP clients. */
  readonly doors: {
    readonly rest: boolean;
    readonly mcp: boolean;
  };
  readonly mcp: {
    /** Whether clients that nobody knows may register themselves (RFC 7591). */
    readonly dynamicRegistration: boolean;
  };
  /** What one account may do at most: a guard against loops of assistants, not X's limits. */
  readonly accountLimits: {
    /** Posts that are accepted and have not ended. */
    readonly openJobs: number;
    readonly requestsPerMinute: number;
  };
  /** X usernames (lower case, no @) or user ids that may connect; empty: anyone. */
  readonly allowedXUsers: readonly string[];
  /** Who runs this server, for the privacy page. */
  readonly operator: {
    readonly name: string | null;
    /** An email address or a URL. */
    readonly contact: string | null;
  };
  /** `host:port` pairs exempt from the public-address and https rules for media URLs. */
  readonly mediaTrustedHosts: readonly string[];
  /** Where ffmpeg is looked for: the PATH of this process; null: it has none. */
  readonly searchPath: string | null;
  /** What all media in work may take on the disk of one DATA_DIR. */
  readonly mediaDiskBytes: number;
  readonly worker: {
    readonly queues: readonly QueueName[];
    readonly concurrency: number;
  };
  readonly publish: {
    readonly resendPolicy: 'once' | 'never';
    readonly confirmAfterMs: number;
    readonly giveUpAfterMs: number;
  };
  readonly spend: {
    /** US dollars a month, for the whole deployment and for each account; null: no limit. */
    readonly deploymentUsd: number | null;
    readonly perAccountUsd: number | null;
    /** What X charges, where it is no longer the built-in price list. */
    readonly prices: Readonly<Partial<Record<PriceName, number>>>;
  };
  /** What only operators see; null: not there. */
  readonly operate: {
    readonly metricsToken: string | null;
    readonly admin: { readonly user: string; readonly password: string } | null;
    /** Where spans are posted to (OTLP over HTTP as JSON), with which headers, and the share of traces that is told of. */
    readonly tracing: {
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly share: number;
    } | null;
  };
  readonly logLevel: string;
  /** One sentence each, for the log: variables that were read but have no effect, and values that ask for trouble. */
  readonly notices: readonly string[];
}

/** Every problem of the environment at once, one line each beginning with the variable's name. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Where the simulator listens when nothing else is said. */
export const simulatorPort = 5001;

/**
 * Reads the environment into frozen groups.
 * @throws {ConfigError} naming every variable that is wrong or missing.
 */
export function loadConfig(environment: Record<string, string | undefined>, role: Role): Config {
  // An empty value is how compose files and shells say "not set".
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = Environment.safeParse(given);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`);
  problems.push(...missingVariables(given, role));
  if (!parsed.success || problems.length > 0) throw new ConfigError(onePerVariable(problems));
  const env = parsed.data;
  const sandbox = env.CLIENT_ID === undefined;
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  return deepFreeze({
    http: { host: env.HOST, port: env.PORT, publicUrl: env.PUBLIC_URL, trustedProxies: env.TRUSTED_PROXIES },
    x: {
      apiUrl: env.X_API_URL ?? (sandbox ? simulatorUrl : 'https://api.x.com'),
      authorizeUrl:
        env.X_AUTHORIZE_URL ??
        (sandbox
          ? `${env.X_API_URL ?? simulatorUrl}/i/oauth2/authorize`
          : 'https://x.com/i/oauth2/authorize'),
      clientId: env.CLIENT_ID ?? 'sandbox-client',
      clientSecret: env.CLIENT_SECRET ?? 'sandbox-secret',
      redirectUri: env.REDIRECT_URI,
      sandbox,
    },
    redisUrl: env.REDIS_URL,
    dataDir: env.DATA_DIR,
    secrets: {
      secretKey: env.SECRET_KEY ?? usableFlaskKey(env.FLASK_SECRET_KEY),
      tokenKeys: env.TOKEN_KEYS ?? [],
    },
    gpt:
      env.GPT_CLIENT_ID && env.GPT_CLIENT_SECRET
        ? {
            clientId: env.GPT_CLIENT_ID,
            clientSecret: env.GPT_CLIENT_SECRET,
            redirectUris: env.GPT_REDIRECT_URIS ?? [],
          }
        : null,
    doors: { rest: env.REST_ENABLED, mcp: env.MCP_ENABLED },
    mcp: { dynamicRegistration: env.MCP_DYNAMIC_REGISTRATION },
    accountLimits: { openJobs: env.MAX_OPEN_JOBS, requestsPerMinute: env.REQUESTS_PER_MINUTE },
    allowedXUsers: env.ALLOWED_X_USERS,
    operator: { name: env.OPERATOR_NAME ?? null, contact: env.OPERATOR_CONTACT ?? null },
    mediaTrustedHosts: env.MEDIA_TRUSTED_HOSTS,
    searchPath: given.PATH ?? null,
    mediaDiskBytes: env.MEDIA_DISK_BYTES,
    worker: { queues: [...new Set(env.WORKER_QUEUES)], concurrency: env.WORKER_CONCURRENCY },
    publish: {
      resendPolicy: env.RESEND_POLICY,
      confirmAfterMs: env.CONFIRM_AFTER_MS,
      giveUpAfterMs: env.GIVE_UP_AFTER_MS,
    },
    spend: {
      deploymentUsd: env.MONTHLY_BUDGET_USD ?? null,
      perAccountUsd: env.ACCOUNT_MONTHLY_BUDGET_USD ?? null,
      prices: env.X_PRICES ?? {},
    },
    operate: {
      metricsToken: env.METRICS_TOKEN ?? null,
      admin:
        env.ADMIN_USER && env.ADMIN_PASSWORD ? { user: env.ADMIN_USER, password: env.ADMIN_PASSWORD } : null,
      tracing: tracingOf(env),
    },
    logLevel: env.LOG_LEVEL,
    notices: [...ignoredVariables(given), ...riskyValues(env)],
  });
}

/** A value can break several rules at once; the first is enough to act on. */
function onePerVariable(problems: readonly string[]): string[] {
  const first = new Map<string, string>();
  for (const line of problems) {
    const name = line.split(':')[0] ?? line;
    if (!first.has(name)) first.set(name, line);
  }
  return [...first.values()];
}

/** Variables whose values are secret: the caller removes them from `process.env` once they are read. */
export const secretVariables = [
  'CLIENT_SECRET',
  'SECRET_KEY',
  'FLASK_SECRET_KEY',
  'TOKEN_KEYS',
  'GPT_CLIENT_SECRET',
  'METRICS_TOKEN',
  'ADMIN_PASSWORD',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'REDIS_URL',
] as const;

/** As OpenTelemetry's specification has it: the one address is used as it is, to the other a path is added. */
function tracingOf(env: z.output<typeof Environment>): Config['operate']['tracing'] {
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT?.replace(/\/+$/, '');
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base}/v1/traces`);
  if (url === undefined) return null;
  return { url, headers: env.OTEL_EXPORTER_OTLP_HEADERS ?? {}, share: env.OTEL_TRACES_SAMPLER_ARG };
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Buffer.isBuffer(value)) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
