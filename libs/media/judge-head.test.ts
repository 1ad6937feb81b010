import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMediaFetcher } from './fetch-media.ts';
import { judgeHead, mayPassAsItIs } from './judge-head.ts';
import { mediaLimits } from './media-limits.ts';
import { startMediaHost } from './test-media-host.ts';
import { quarters } from './test-pictures.ts';

const mp4Head = Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42', 'latin1');

describe('judgeHead', () => {
  it('knows what each kind may have, and refuses what would be refused later', async () => {
    const png = await quarters(10, 10).png().toBuffer();
    expect(await judgeHead(png, null)).toBe(mediaLimits.image.maxInputBytes);
    expect(await judgeHead(Buffer.from('GIF89a'), null)).toBe(mediaLimits.gif.maxInputBytes);
    expect(await judgeHead(mp4Head, 5)).toBe(mediaLimits.video.maxInputBytes);
    await expect(judgeHead(png, mediaLimits.image.maxInputBytes + 1)).rejects.toMatchObject({
      code: 'media_too_large',
    });
    await expect(judgeHead(Buffer.from('<!doctype html>'), null)).rejects.toMatchObject({
      code: 'media_unsupported',
    });
  });

  it('ends a download at its first bytes, or at the limit of its kind', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'judge-head-'));
    const png = await quarters(10, 10).png().toBuffer();
    await using host = await startMediaHost((request, response) => {
      response.write(request.url === '/page' ? '<html>' : png);
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', more);
      more();
    });
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    const limits = { ...mediaLimits, image: { ...mediaLimits.image, maxInputBytes: 300_000 } };
    const fetch = async (path: string) => {
      let most = 0;
      const problem: unknown = await fetcher
        .fetch(`${host.url}${path}`, {
          file: join(folder.path, 'a'),
          maxBytes: 1e9,
          judge: (head, totalBytes) => judgeHead(head, totalBytes, limits),
          onProgress: (bytes) => {
            most = bytes;
          },
        })
        .catch((error) => error);
      return { problem, most };
    };
    const page = await fetch('/page');
    expect(page.problem).toMatchObject({ code: 'media_unsupported', detail: /web page/ });
    expect(page.most).toBeLessThan(100_000);
    const picture = await fetch('/picture');
    expect(picture.problem).toMatchObject({ code: 'media_too_large' });
    expect(picture.most).toBeLessThanOrEqual(300_000);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('judges a file that is shorter than what is looked at', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'judge-head-'));
    await using host = await startMediaHost((_request, response) => response.end('hello'));
    await using fetcher = createMediaFetcher({ trustedHosts: [host.hostAndPort] });
    const options = { file: join(folder.path, 'a'), maxBytes: 100, judge: judgeHead };
    await expect(fetcher.fetch(host.url, options)).rejects.toMatchObject({ code: 'media_unsupported' });
    expect(await readdir(folder.path)).toEqual([]);
  });
});

describe('mayPassAsItIs', () => {
  it('says so of videos in containers that X takes, within its bytes', async () => {
    expect(await mayPassAsItIs(mp4Head, 1_000)).toEqual({
      mediaType: 'video/mp4',
      mediaCategory: 'tweet_video',
    });
    expect(await mayPassAsItIs(mp4Head, mediaLimits.video.maxBytes + 1)).toBeNull();
    expect(await mayPassAsItIs(Buffer.from('GIF89a'), 1_000)).toBeNull();
    expect(await mayPassAsItIs(Buffer.from('hello'), 1_000)).toBeNull();
  });
});
