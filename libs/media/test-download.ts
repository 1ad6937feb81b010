import { mkdtempDisposable } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMediaFetcher, type MediaFetcherOptions } from './fetch-media.ts';
import { startMediaHost } from './test-media-host.ts';

/** Tests of downloads share these. */
export const mebibyte = 1024 * 1024;
export const patient = { maxBytes: mebibyte };

/** A media host, a fetcher that trusts it and a folder for what comes. */
export async function setUp(
  listener: Parameters<typeof startMediaHost>[0],
  options: Partial<MediaFetcherOptions> = {},
) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'fetch-media-')));
  const host = stack.use(await startMediaHost(listener));
  const fetcher = stack.use(
    createMediaFetcher({ trustedHosts: [host.hostAndPort], retryDelaysMs: [1, 1], ...options }),
  );
  return {
    host,
    fetcher,
    folder: folder.path,
    file: join(folder.path, 'media'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Sends `bytes` at a time for as long as anybody reads, one piece per `everyMs`. */
export function drip(response: ServerResponse, bytes: number, everyMs: number) {
  const timer = setInterval(() => response.write(Buffer.alloc(bytes)), everyMs);
  response.on('close', () => clearInterval(timer));
}
