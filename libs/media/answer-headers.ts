import type { Dispatcher } from 'undici';

const maxRetryAfterMs = 5_000;

/** Where a redirect leads; null for any other answer. */
export function redirectOf(response: Dispatcher.ResponseData): string | null {
  if (![301, 302, 303, 307, 308].includes(response.statusCode)) return null;
  // A character is a byte here: those that no URL may have go back to the host as it wrote them, as browsers do it.
  const escaped = header(response, 'location')?.replace(
    /[\x80-\xff]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return escaped ?? null;
}

/** A header as one line. */
export function header(response: Dispatcher.ResponseData, name: string): string | null {
  const value = response.headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? null);
}

/** `Content-Length` in bytes; null when there is none that can be believed. */
export function statedLength(response: Dispatcher.ResponseData): number | null {
  const length = Number(header(response, 'content-length') ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : null;
}

/** `Retry-After` in ms, bounded. */
export function retryAfterMs(response: Dispatcher.ResponseData): number {
  const seconds = Number(header(response, 'retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(maxRetryAfterMs, Math.max(0, seconds * 1000)) : 0;
}
