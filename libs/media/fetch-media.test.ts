import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#libs/problem/problem.ts';
import { createBlockPool } from './blocks.ts';
import { createMediaStore } from './media-store.ts';
import { drip, mebibyte, patient, setUp } from './test-download.ts';

describe('fetch', () => {
  it('downloads to the file and hashes on the way', async () => {
    const bytes = randomBytes(3 * mebibyte + 17);
    await using t = await setUp((_request, response) => response.end(bytes));
    const progress: [number, number | null][] = [];
    const fetched = await t.fetcher.fetch(`${t.host.url}/a.jpg`, {
      file: t.file,
      maxBytes: 4 * mebibyte,
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect(fetched).toEqual({
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    expect(await readFile(t.file)).toEqual(bytes);
    expect(progress.at(-1)).toEqual([bytes.length, bytes.length]);
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a - b));
  });

  it('brings every byte as it was sent, however it is cut, also where several wait for each other', async () => {
    const files = Array.from({ length: 5 }, () => randomBytes(9 * mebibyte + randomInt(mebibyte)));
    const blocks = createBlockPool({ receiving: 2, sending: 1 });
    await using t = await setUp(
      async (request, response) => {
        const bytes = files[Number(request.url?.slice(1))] ?? Buffer.alloc(0);
        for (let at = 0; at < bytes.length; ) {
          const end = at + randomInt(1, 300_000);
          if (!response.write(bytes.subarray(at, end))) await once(response, 'drain');
          at = end;
        }
        response.end();
      },
      { blocks, concurrency: { overall: 5, perHost: 5 } },
    );
    const fetching = files.map((_, index) =>
      t.fetcher.fetch(`${t.host.url}/${index}`, { file: `${t.file}${index}`, maxBytes: 10 * mebibyte }),
    );
    for (const [index, fetched] of (await Promise.all(fetching)).entries()) {
      const bytes = files[index] ?? Buffer.alloc(0);
      expect(fetched).toEqual({
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      });
      expect((await readFile(`${t.file}${index}`)).equals(bytes)).toBe(true);
    }
  });

  it('sends no header but its own few, whatever the address says', async () => {
    await using t = await setUp((_request, response) => response.end('x'));
    await t.fetcher.fetch(`${t.host.url}/a%0d%0aX-Injected:%201?b=%0d%0aCookie: c#d`, {
      file: t.file,
      ...patient,
    });
    expect(Object.keys(t.host.requests[0]?.headers ?? {}).sort()).toEqual(
      ['accept', 'accept-encoding', 'connection', 'host', 'user-agent'].sort(),
    );
    expect(t.host.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('refuses a stated length above the limit without reading the body', async () => {
    let sent = 0;
    await using t = await setUp((_request, response) => {
      response.writeHead(200, { 'content-length': String(50 * mebibyte) });
      response.write(Buffer.alloc(1024), () => {
        sent += 1;
      });
    });
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_too_large',
    });
    expect(existsSync(t.file)).toBe(false);
    expect(sent).toBeLessThanOrEqual(1);
  });

  it('cuts an endless body of no stated length at the limit', async () => {
    await using t = await setUp((_request, response) => {
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', more);
      more();
    });
    let seen = 0;
    const fetching = t.fetcher.fetch(t.host.url, {
      file: t.file,
      ...patient,
      onProgress: (bytes) => (seen = bytes),
    });
    await expect(fetching).rejects.toMatchObject({ code: 'media_too_large', detail: /1 MB/ });
    expect(seen).toBeLessThanOrEqual(mebibyte);
    expect(await readdir(t.folder)).toEqual([]);
  });

  it('takes a body of exactly the limit', async () => {
    await using t = await setUp((_request, response) => response.end(Buffer.alloc(mebibyte)));
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).resolves.toMatchObject({
      bytes: mebibyte,
    });
  });

  it.each(['gzip', 'br', 'gzip, gzip', 'identity, gzip', 'zstd'])(
    'refuses a body encoded as %s',
    async (encoding) => {
      await using t = await setUp((_request, response) => {
        response.writeHead(200, { 'content-encoding': encoding });
        response.end(gzipSync(gzipSync(Buffer.alloc(10 * mebibyte))));
      });
      await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
        code: 'media_unsupported',
      });
    },
  );

  it.each([400, 401, 403, 404, 410, 451])('fails at once when the host answers %i', async (status) => {
    await using t = await setUp((_request, response) => response.writeHead(status).end('no'));
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_not_found',
      detail: expect.stringContaining(String(status)),
    });
    expect(t.host.requests).toHaveLength(1);
  });

  it.each([429, 500, 502, 503])('tries three times when the host answers %i', async (status) => {
    await using t = await setUp((_request, response) => response.writeHead(status).end('later'));
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_unreachable',
    });
    expect(t.host.requests).toHaveLength(3);
  });

  it('starts the file anew when a try broke off in the middle', async () => {
    let tries = 0;
    await using t = await setUp((_request, response) => {
      tries += 1;
      if (tries === 1) return void response.writeHead(500).end();
      response.writeHead(200, { 'content-length': '10' });
      if (tries === 2) response.write('abcde', () => response.destroy());
      else response.end('0123456789');
    });
    const { sha256 } = await t.fetcher.fetch(t.host.url, { file: t.file, ...patient });
    expect(await readFile(t.file, 'utf8')).toBe('0123456789');
    expect(sha256).toBe(createHash('sha256').update('0123456789').digest('hex'));
  });

  it('never takes a body for whole that is shorter than stated', async () => {
    await using t = await setUp((_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('abcde', () => response.destroy());
    });
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient })).rejects.toMatchObject({
      code: 'media_unreachable',
    });
    expect(existsSync(t.file)).toBe(false);
  });

  it('leaves nothing behind when the caller gives up', async () => {
    await using t = await setUp((_request, response) => drip(response, 1000, 5));
    const stop = new AbortController();
    const reason = new Error('canceled');
    const fetching = t.fetcher.fetch(t.host.url, {
      file: t.file,
      ...patient,
      signal: stop.signal,
      onProgress: () => stop.abort(reason),
    });
    await expect(fetching).rejects.toBe(reason);
    expect(existsSync(t.file)).toBe(false);
  });

  it('asks for room before it writes, and leaves nothing when there is none', async () => {
    await using t = await setUp((_request, response) => response.end(Buffer.alloc(600_000)));
    const freeBytes = async () => 1_000_000;
    const store = createMediaStore({ dataDir: join(t.folder, 'data'), minFreeBytes: 0, freeBytes });
    using room = await store.admit(0);
    await t.fetcher.fetch(t.host.url, { file: t.file, ...patient, room });
    using _taken = await store.admit(950_000);
    await expect(t.fetcher.fetch(t.host.url, { file: t.file, ...patient, room })).rejects.toMatchObject({
      code: 'storage_full',
    });
    expect(existsSync(t.file)).toBe(false);
  });

  it('leaves no connection behind where there is no room, however often it is tried', async () => {
    const body = Buffer.alloc(1024 * 1024);
    await using t = await setUp((_request, response) => response.end(body));
    const full = { grow: () => Promise.reject(new ProblemError('storage_full', 'Full.')), wrote: () => {} };
    for (let turn = 0; turn < 10; turn++)
      await expect(
        t.fetcher.fetch(t.host.url, { file: t.file, ...patient, room: full }),
      ).rejects.toMatchObject({
        code: 'storage_full',
      });
    const fetched = await t.fetcher.fetch(t.host.url, { file: t.file, ...patient });
    expect(fetched.bytes).toBe(body.length);
  });

  it('downloads no more than so many at a time from one host', async () => {
    let atOnce = 0;
    let most = 0;
    await using t = await setUp(
      (_request, response) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        setTimeout(() => {
          atOnce -= 1;
          response.end('x');
        }, 20);
      },
      { concurrency: { overall: 16, perHost: 2 } },
    );
    await Promise.all(Array.from({ length: 8 }, () => t.fetcher.fetchDocument(t.host.url, patient)));
    expect(most).toBe(2);
  });

  it('keeps nobody waiting for a host from which a usual worker downloads all that it may', async () => {
    const usualSlots = 8;
    const held: ServerResponse[] = [];
    await using t = await setUp((_request, response) => {
      held.push(response);
      // Nobody is answered before all have asked.
      if (held.length === usualSlots) for (const one of held) one.end('x');
    });
    const fetching = Array.from({ length: usualSlots }, () => t.fetcher.fetchDocument(t.host.url, patient));
    expect(await Promise.all(fetching)).toHaveLength(usualSlots);
  });
});

describe('fetchDocument', () => {
  it('gives body and type, and holds no more than the limit', async () => {
    await using t = await setUp((request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(request.url === '/small' ? '{"a":1}' : Buffer.alloc(5_000));
    });
    expect(await t.fetcher.fetchDocument(`${t.host.url}/small`, { maxBytes: 1_000 })).toEqual({
      body: Buffer.from('{"a":1}'),
      contentType: 'application/json',
    });
    await expect(t.fetcher.fetchDocument(`${t.host.url}/large`, { maxBytes: 1_000 })).rejects.toMatchObject({
      code: 'media_too_large',
      detail: /1000 bytes/,
    });
  });
});
