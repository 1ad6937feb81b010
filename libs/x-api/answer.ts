import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { XAnswerError, type XRateLimit } from './errors.ts';
import type { XResponse } from './request.ts';

const maxTextLength = 500;
const maxMessages = 10;

const text = z.string().transform(plain).catch('');
/** Problem (RFC 9457), X's `errors` list, X's legacy errors and OAuth errors, in one. */
const ErrorBody = z.looseObject({
  title: text,
  detail: text,
  type: text,
  error: z.string().transform(plain).nullable().catch(null),
  error_description: text,
  errors: z
    .array(
      z
        .looseObject({ code: z.coerce.number().int().nullable().catch(null), message: text, detail: text })
        .nullable()
        .catch(null),
    )
    .catch([]),
});

/** X's answer as an error, in whatever shape X put it: a problem, a list, the legacy form, HTML, or nothing. */
export function toXAnswerError(response: XResponse): XAnswerError {
  const body = response.body.toString('utf8');
  const parsed = ErrorBody.safeParse(parseJson(body));
  const { headers, status } = response;
  const facts = {
    status,
    rateLimits: parseRateLimits(headers, status),
    retryAfterMs: parseRetryAfter(headers),
    date: parseDate(headers.date),
    transactionId: transactionIdOf(headers),
  };
  if (!parsed.success) {
    const detail = isPlainText(headers, body) ? plain(body) : '';
    return new XAnswerError({
      ...facts,
      title: '',
      detail,
      type: '',
      code: null,
      oauthError: null,
      messages: [],
    });
  }
  const { title, detail, type, error, error_description, errors } = parsed.data;
  const messages = errors
    .map((entry) => entry?.message || entry?.detail || '')
    .filter((entry) => entry !== '');
  return new XAnswerError({
    ...facts,
    title,
    detail: detail || error_description || messages[0] || '',
    type: type.split(/[?#]/)[0]?.split('/').filter(Boolean).at(-1) ?? '',
    code: errors.find((entry) => entry?.code != null)?.code ?? null,
    oauthError: error,
    messages: messages.slice(0, maxMessages),
  });
}

/** `x-rate-limit-*`, and the 24-hour variants of older plans (docs.x.com, Rate limits). */
export function parseRateLimits(headers: IncomingHttpHeaders, status: number): XRateLimit[] {
  const scopes = [
    ['user', 'x-rate-limit'],
    ['user_24h', 'x-user-limit-24hour'],
    ['app_24h', 'x-app-limit-24hour'],
  ] as const;
  return scopes.flatMap(([scope, prefix]) => {
    const limit = parseCount(headers[`${prefix}-limit`]);
    const remaining = parseCount(headers[`${prefix}-remaining`]) ?? (status === 429 ? 0 : null);
    const reset = parseCount(headers[`${prefix}-reset`]);
    if (remaining === null || reset === null) return [];
    return [{ scope, limit: limit ?? remaining, remaining, resetAt: reset * 1000 }];
  });
}

/** `Date` (RFC 9110 section 6.6.1), epoch ms. */
export function parseDate(date: string | undefined): number | null {
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? null : time;
}

/** X's own name for an exchange, which its support asks for. */
export function transactionIdOf(headers: IncomingHttpHeaders): string | null {
  return plain(single(headers['x-transaction-id']) ?? '').slice(0, 100) || null;
}

/** `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3). X documents none, but a proxy may send it. */
function parseRetryAfter(headers: IncomingHttpHeaders): number | null {
  const value = single(headers['retry-after']);
  const seconds = parseCount(value);
  if (seconds !== null) return seconds * 1000;
  const until = parseDate(value);
  const now = parseDate(headers.date);
  return until === null || now === null ? null : Math.max(0, until - now);
}

function parseCount(value: string | string[] | undefined): number | null {
  const first = single(value)?.trim() ?? '';
  return /^\d{1,12}$/.test(first) ? Number(first) : null;
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** undefined when it is no JSON. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** FINALIZE has answered 400 with one line of plain text; HTML pages of proxies say nothing to anybody. */
function isPlainText(headers: IncomingHttpHeaders, body: string): boolean {
  return !/html/.test(headers['content-type'] ?? '') && !/^\s*</.test(body);
}

/** X's words are shown to people and read by models: printable, in one line, short. */
export function plain(words: string): string {
  return words
    .slice(0, 4 * maxTextLength)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, maxTextLength)
    .toWellFormed();
}
