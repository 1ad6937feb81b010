import { z } from 'zod';

/** A key that seals secrets at rest; `kid` names it inside what it sealed. */
export interface TokenKey {
  readonly kid: string;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** The calls that X bills. */
export const priceNames = [
  'post',
  'postWithUrl',
  'deletePost',
  'altText',
  'readUser',
  'readOwnPost',
] as const;
export type PriceName = (typeof priceNames)[number];

export type QueueName = 'media' | 'tweets';
export const queueNames = ['media', 'tweets'] as const satisfies readonly QueueName[];

const httpUrl = z
  .string()
  .refine((value) => isUrl(value, ['http:', 'https:']), 'must be an absolute http or https URL');
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);
const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);

const flag = z
  .enum(['true', 'false', 'on', 'off', '1', '0'], 'must be true or false')
  .transform((value) => ['true', 'on', '1'].includes(value));

const dollars = z
  .string()
  .regex(/^\d{1,7}(\.\d{1,3})?$/, 'must be an amount in US dollars, as in 25 or 7.50')
  .transform(Number);

const secret = z
  .string()
  .max(1000, 'must have at most 1000 characters')
  .refine((value) => !isPlaceholder(value), 'is a placeholder: use a random value (openssl rand -base64 32)');

/** The variables, each by its own rule; what they mean together is `loadConfig`'s business. */
export const Environment = z.object({
  PORT: integer(0, 65_535).default(5000),
  HOST: z.string().default('127.0.0.1'),
  PUBLIC_URL: httpUrl
    .refine((value) => /^https?:\/\/[^/?#]+\/?$/.test(value), 'must be an origin: no path, query or fragment')
    .transform((value) => new URL(value).origin)
    .optional(),
  TRUSTED_PROXIES: integer(0, 10).default(0),
  CLIENT_ID: z.string().optional(),
  CLIENT_SECRET: z.string().optional(),
  REDIRECT_URI: httpUrl.optional(),
  X_API_URL: httpUrl.transform((value) => value.replace(/\/+$/, '')).optional(),
  X_AUTHORIZE_URL: httpUrl.optional(),
  REDIS_URL: z
    .string()
    .refine((value) => isUrl(value, ['redis:', 'rediss:']), 'must be a redis:// or rediss:// URL')
    .optional(),
  DATA_DIR: z.string().default('./data'),
  SECRET_KEY: z
    .string()
    .min(32, 'must have at least 32 characters')
    .refine(
      (value) => !isPlaceholder(value),
      'is a placeholder: use a random value (openssl rand -base64 32)',
    )
    .optional(),
  FLASK_SECRET_KEY: z.string().optional(),
  TOKEN_KEYS: z.string().transform(parseTokenKeys).optional(),
  GPT_CLIENT_ID: z.string().optional(),
  GPT_CLIENT_SECRET: z.string().optional(),
  GPT_REDIRECT_URIS: list
    .pipe(
      z.array(
        z
          .string()
          .refine(isRedirectUri, 'every entry must be an https URL (http only for localhost), no fragment'),
      ),
    )
    .optional(),
  REST_ENABLED: flag.default(true),
  MCP_ENABLED: flag.default(true),
  MCP_DYNAMIC_REGISTRATION: flag.default(false),
  ALLOWED_X_USERS: list
    .transform((users) => users.map((user) => user.replace(/^@/, '').toLowerCase()))
    .default([]),
  OPERATOR_NAME: z.string().max(200, 'must have at most 200 characters').optional(),
  OPERATOR_CONTACT: z
    .string()
    .max(300, 'must have at most 300 characters')
    .refine(
      (value) => isUrl(value, ['https:', 'http:']) || /^[^\s@<>"]+@[^\s@<>"]+$/.test(value),
      'must be an email address or an https URL',
    )
    .optional(),
  MEDIA_DISK_BYTES: integer(1, 999_999_999_999_999).default(16 * 1024 ** 3),
  MEDIA_TRUSTED_HOSTS: list
    .pipe(
      z.array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:/@]+):\d{1,5}$/, 'every entry must be host:port')),
    )
    .default([]),
  MAX_OPEN_JOBS: integer(1, 1_000_000).default(50),
  REQUESTS_PER_MINUTE: integer(1, 10_000_000).default(1200),
  WORKER_QUEUES: list
    .pipe(
      z
        .array(z.enum(queueNames, 'every entry must be media or tweets'))
        .min(1, 'must name at least one queue'),
    )
    .default([...queueNames]),
  WORKER_CONCURRENCY: integer(1, 1000).default(8),
  RESEND_POLICY: z.enum(['once', 'never'], 'must be once or never').default('once'),
  CONFIRM_AFTER_MS: integer(1, 86_400_000).default(60_000),
  GIVE_UP_AFTER_MS: integer(1, 604_800_000).default(3_600_000),
  MONTHLY_BUDGET_USD: dollars.optional(),
  ACCOUNT_MONTHLY_BUDGET_USD: dollars.optional(),
  X_PRICES: z.string().transform(parsePrices).optional(),
  METRICS_TOKEN: secret.optional(),
  ADMIN_USER: z
    .string()
    .regex(/^[^:]{1,200}$/, 'must be a name without a colon')
    .optional(),
  ADMIN_PASSWORD: secret.optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().transform(parseHeaders).optional(),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/, 'must be a share from 0 to 1, as in 0.1')
    .transform(Number)
    .default(1),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'must be a pino level such as info or debug',
    )
    .default('info'),
});

function parseTokenKeys(value: string, context: z.RefinementCtx): TokenKey[] {
  const keys: TokenKey[] = [];
  const entries = value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
  for (const entry of entries) {
    const match = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=?)$/.exec(entry);
    const key = Buffer.from(match?.[2] ?? '', 'base64');
    if (!match?.[1] || key.length !== 32)
      context.addIssue({
        code: 'custom',
        message: 'every entry must be kid:base64(32 bytes), for example k1:$(openssl rand -base64 32)',
      });
    else if (new Set(key).size < 8)
      context.addIssue({ code: 'custom', message: `the key ${match[1]} is not random` });
    else if (keys.some((known) => known.kid === match[1]))
      context.addIssue({ code: 'custom', message: `the key id ${match[1]} stands twice` });
    else keys.push({ kid: match[1], key });
  }
  if (entries.length === 0) context.addIssue({ code: 'custom', message: 'must hold at least one key' });
  return keys;
}

/** `post=0.015,postWithUrl=0.2` */
function parsePrices(value: string, context: z.RefinementCtx): Partial<Record<PriceName, number>> {
  const prices: Partial<Record<PriceName, number>> = {};
  for (const entry of value.split(',').filter((part) => part.trim() !== '')) {
    const [, name, amount] = /^\s*(\w+)\s*=\s*(\d{1,4}(?:\.\d{1,3})?)\s*$/.exec(entry) ?? [];
    const known = priceNames.find((price) => price === name);
    if (known) prices[known] = Number(amount);
    else
      context.addIssue({
        code: 'custom',
        message: `every entry must be name=dollars, with a name of ${priceNames.join(', ')}`,
      });
  }
  return prices;
}

/** `name=value,name=value`, values percent-encoded where they must be. */
function parseHeaders(value: string, context: z.RefinementCtx): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const entry of value.split(',').filter((part) => part.trim() !== '')) {
    const [, name, text = ''] = /^\s*([\w!#$&'*.^`|~-]+)\s*=\s*([!-~]*)\s*$/.exec(entry) ?? [];
    const plain = decodeHeader(text);
    if (name !== undefined && plain !== null) headers[name] = plain;
    else context.addIssue({ code: 'custom', message: 'every entry must be name=value' });
  }
  return headers;
}

function decodeHeader(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return /^[ -~]*$/.test(plain) ? plain : null;
  } catch {
    return null;
  }
}

/** A value that stands in an example, or is no secret at all. */
export function isPlaceholder(value: string): boolean {
  return /^(your|change|replace|insert|placeholder|example)/i.test(value) || new Set(value).size < 5;
}

function isUrl(value: string, protocols: readonly string[]): boolean {
  const url = URL.parse(value);
  return url !== null && protocols.includes(url.protocol) && url.hostname !== '';
}

function isRedirectUri(value: string): boolean {
  const url = URL.parse(value);
  if (!url || value.includes('#')) return false;
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && local);
}
