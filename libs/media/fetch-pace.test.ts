import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createMediaFetcher } from './fetch-media.ts';
import { drip, patient, setUp } from './test-download.ts';
import { startCanary } from './test-media-host.ts';

describe('a slow media host', () => {
  it.each([
    ['headers that never come', () => {}],
    ['a body that stops', (response: ServerResponse) => response.writeHead(200).write('x')],
  ])('gives up on %s', async (_name, act) => {
    await using t = await setUp((_request, response) => act(response), {
      timeouts: { headersMs: 300, idleMs: 300 },
    });
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_timeout',
    });
    expect(existsSync(t.file)).toBe(false);
  });

  it.each([
    ['come byte by byte', 'x', 20],
    ['are larger than 16 KB', `X-Long: ${'x'.repeat(1000)}\r\n`, 1],
  ])('gives up on headers that %s', async (_name, text, everyMs) => {
    await using host = await startCanary('127.0.0.1', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket.write(text), everyMs);
      socket.on('close', () => clearInterval(timer));
    });
    await using fetcher = createMediaFetcher({
      trustedHosts: [`127.0.0.1:${host.port}`],
      retryDelaysMs: [],
      timeouts: { resolveMs: 5_000, connectMs: 5_000, headersMs: 1_000 },
    });
    const fetching = fetcher.fetchDocument(`http://127.0.0.1:${host.port}/`, patient);
    await expect(fetching).rejects.toMatchObject({
      code: everyMs === 1 ? 'media_unreachable' : 'media_timeout',
    });
  });

  it('gives up on a body that trickles', async () => {
    await using t = await setUp((_request, response) => drip(response, 1, 10), {
      pace: { totalMs: 5_000, trickleAfterMs: 300, trickleBytesPerSecond: 1024 },
    });
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_timeout',
    });
  });

  it('after the total time goes on only at the minimum rate', async () => {
    const pace = { totalMs: 400, windowMs: 1_000, minBytesPerSecond: 20_000 };
    await using slow = await setUp((_request, response) => drip(response, 100, 10), { pace });
    await expect(slow.fetcher.fetch(slow.host.url, { file: slow.file, ...patient })).rejects.toMatchObject({
      code: 'media_timeout',
    });
    await using steady = await setUp(
      (_request, response) => {
        drip(response, 3_500, 10);
        setTimeout(() => response.end(), 2_500);
      },
      { pace },
    );
    const { bytes } = await steady.fetcher.fetch(steady.host.url, { file: steady.file, ...patient });
    expect(bytes).toBeGreaterThan(100_000);
  });
});
