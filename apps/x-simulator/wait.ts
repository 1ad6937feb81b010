import type { ServerResponse } from 'node:http';

/** Resolves when the client of an answer is gone (or has it in full). */
export function closed(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => response.once('close', () => resolve()));
}

/** Waits; stops early when the client is gone. */
export async function waitMs(ms: number, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, closed(response)]);
  clearTimeout(timer);
}
