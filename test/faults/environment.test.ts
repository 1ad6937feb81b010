import { describe, expect, it } from 'vitest';
import { mediaLimits } from '#libs/media/media-limits.ts';
import { ask, create, initialize, onePicture, settled, startRig, until } from './rig.ts';

describe.concurrent('a media host', () => {
  it.each([
    [
      'that redirects in a circle',
      'media_redirect',
      (path: string) => ({ status: 302, headers: { location: path }, body: '' }),
    ],
    [
      'that compresses what it sends',
      'media_unsupported',
      () => ({ status: 200, headers: { 'content-encoding': 'gzip' }, body: 'not asked for' }),
    ],
  ])('%s: the post fails with a word on it, and nothing is uploaded', async (name, code, say) => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    const path = `/${name.length}.png`;
    rig.mediaHost.pages.set(path, (_, response) => {
      const { status, headers, body } = say(path);
      response.writeHead(status, headers);
      response.end(body);
    });
    const job = await settled(rig, await ask(session, { media_url: rig.mediaHost.url(path) }));
    expect(job.status).toBe('failed');
    expect(job.error?.code).toMatch(new RegExp(`^(${code}|media_)`));
    expect(rig.requests(session, initialize)).toHaveLength(0);
  });

  it('that sends a byte a second: the post fails with a word on it, and the only slot is free for the next', async () => {
    // In production it is twenty seconds until a trickle is ended, and sixty at most.
    await using rig = await startRig({
      workers: 1,
      environment: { WORKER_CONCURRENCY: '1' },
      timings: { pace: { trickleAfterMs: 2000, totalMs: 6000 } },
    });
    const session = await rig.account();
    const closed = Promise.withResolvers<void>();
    rig.mediaHost.files.set('/one.png', await onePicture());
    rig.mediaHost.pages.set('/drop.png', (_, response) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      const dripping = setInterval(() => response.write('.'), 1000);
      response.once('close', () => {
        clearInterval(dripping);
        closed.resolve();
      });
    });
    const slow = await ask(session, { media_url: rig.mediaHost.url('/drop.png') });
    await until(rig, slow, (job) => job.stage === 'fetching');
    const next = await ask(await rig.account(), { media_url: rig.mediaHost.url('/one.png') });
    expect(await settled(rig, slow)).toMatchObject({ status: 'failed', error: { code: 'media_timeout' } });
    await closed.promise;
    expect(await settled(rig, next)).toMatchObject({ status: 'published' });
    expect(rig.requests(session, initialize)).toHaveLength(0);
  });

  it('that never ends: cut off at the limit of pictures, and nothing is left of it', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    const closed = Promise.withResolvers<number>();
    const head = await onePicture();
    rig.mediaHost.pages.set('/endless.png', (_, response) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      response.write(head);
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(64 * 1024)));
      };
      response.on('drain', more).once('close', () => closed.resolve(response.socket?.bytesWritten ?? 0));
      more();
    });
    const job = await settled(rig, await ask(session, { media_url: rig.mediaHost.url('/endless.png') }));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'media_too_large' } });
    const limit = mediaLimits.image.maxInputBytes;
    const sent = await closed.promise;
    expect(sent).toBeGreaterThan(limit);
    // What the kernel holds on both sides of the connection was sent, and never read.
    expect(sent).toBeLessThan(limit + 16 * 1024 * 1024);
    expect(rig.requests(session, initialize)).toHaveLength(0);
  });

  it('with one bad picture of four: the post fails before anything is uploaded or sent', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    for (const name of ['a', 'b', 'c']) rig.mediaHost.files.set(`/${name}.png`, await onePicture());
    const urls = ['a', 'b', 'c', 'missing'].map((name) => rig.mediaHost.url(`/${name}.png`));
    const job = await settled(rig, await ask(session, { media_urls: urls }));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'media_not_found' } });
    expect(rig.requests(session, initialize)).toHaveLength(0);
    expect(rig.requests(session, create)).toHaveLength(0);
  });
});
