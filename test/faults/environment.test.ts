import { describe, expect, it } from 'vitest';
import { ask, create, initialize, mark, onePicture, settled, startRig } from './rig.ts';

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

describe.concurrent('one user with more posts than may be in work', () => {
  it('is told so, and delays nobody else', async () => {
    await using rig = await startRig({ workers: 1 });
    const [busy, other] = [await rig.account(), await rig.account()];
    // X takes no post of the busy one for now, so that all of them stay in work.
    const isBusy = { when: ({ userId }: { userId: string | null }) => userId === busy.account.id };
    const hold = rig.simulator.faults.hold(create, 'received', { ...isBusy, times: 1000 });
    const answers = [];
    for (let count = 0; count < 70; count++)
      answers.push(await busy.request('POST', '/postTweet', { text: `Many ${mark()}` }));
    const taken = answers.filter(({ status }) => status === 202);
    expect(answers.at(-1)).toMatchObject({ status: 429, body: { code: 'too_many_open_jobs' } });
    const single = await ask(other);
    expect(await settled(rig, single)).toMatchObject({ status: 'published' });
    hold.release();
    await Promise.all(taken.map(({ body }) => busy.ended(body.job_id)));
    expect(rig.tweetsOf(busy)).toHaveLength(taken.length);
  });
});
