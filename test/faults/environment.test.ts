import { describe, expect, it } from 'vitest';
import { ask, create, initialize, onePicture, settled, startRig } from './rig.ts';

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
