import type { ServerResponse } from 'node:http';

const closings = new WeakMap<ServerResponse, Promise<void>>();

/** Resolves when the client of an answer is gone (or has it in full). */
export function closed(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  // One listener however often it is asked: an answer that comes bit by bit asks at every bit.
  const known = closings.get(response);
  if (known) return known;
  const closing = new Promise<void>((resolve) => response.once('close', () => resolve()));
  closings.set(response, closing);
  return closing;
}

/** Waits; stops early when the client is gone. */
export async function waitMs(ms: number, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, closed(response)]);
  clearTimeout(timer);
}

/** Whether an error only says that the client went away: that is no bug. */
export function isDisconnect(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(ECONNRESET|EPIPE|HPE_|ERR_STREAM_)/.test(code);
}
