import { createHash, randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { distrustTlsServers, startTlsServer, trustTlsServers } from '../../test/tls-server.ts';
import { createMediaFetcher } from './fetch-media.ts';
import { mebibyte } from './test-download.ts';

beforeEach(trustTlsServers);
afterEach(distrustTlsServers);

/** A media host with a certificate for `localhost`, and a fetcher that may ask it by `name`. */
async function setUp(name: string) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'https-media-')));
  const bytes = randomBytes(3 * mebibyte + 17);
  const seen: { version: string; name: unknown }[] = [];
  const host = stack.use(
    await startTlsServer((request, response) => {
      seen.push({ version: request.httpVersion, name: (request.socket as TLSSocket).servername });
      response.end(bytes);
    }),
  );
  const fetcher = stack.use(
    createMediaFetcher({
      trustedHosts: [`${name}:${host.port}`],
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      retryDelaysMs: [1, 1],
    }),
  );
  const file = join(folder.path, 'media');
  const resources = stack.move();
  return {
    bytes,
    seen,
    fetch: () => fetcher.fetch(`https://${name}:${host.port}/a.jpg`, { file, maxBytes: 4 * mebibyte }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The account is told nothing of the network; the log is. */
const refusedFor = (code: string) => ({ code: 'media_url_forbidden', cause: { cause: { code } } });

describe('over TLS', () => {
  it('downloads by the name that was asked for, from the address that was judged', async () => {
    await using t = await setUp('localhost');
    const sha256 = createHash('sha256').update(t.bytes).digest('hex');
    expect(await t.fetch()).toEqual({ bytes: t.bytes.length, sha256 });
    expect(t.seen).toEqual([{ version: '1.1', name: 'localhost' }]);
  });

  it('takes nothing from a host whose certificate is for another name', async () => {
    await using t = await setUp('files.example.com');
    await expect(t.fetch()).rejects.toMatchObject(refusedFor('ERR_TLS_CERT_ALTNAME_INVALID'));
    expect(t.seen).toEqual([]);
  });

  it('takes nothing from a host whose certificate nobody vouches for', async () => {
    distrustTlsServers();
    await using t = await setUp('localhost');
    await expect(t.fetch()).rejects.toMatchObject(refusedFor('DEPTH_ZERO_SELF_SIGNED_CERT'));
    expect(t.seen).toEqual([]);
  });
});
