import { describe, expect, it } from 'vitest';
import { delay } from '#apps/x-simulator/fault.ts';
import type { Session } from '../system.ts';
import { ask, create, finalize, mark, onePicture, type Rig, settled, startRig } from './rig.ts';

/** How many requests of `busy` reached X between request number `from` and the latest one of `other`. */
function overtaken(
  rig: Rig,
  { busy, other, endpoint, from }: { busy: Session; other: Session; endpoint: string; from: number },
): number {
  const to = rig.requests(other, endpoint).at(-1)?.number ?? 0;
  return rig.requests(busy, endpoint).filter(({ number }) => number > from && number < to).length;
}

describe.concurrent('one account with 500 posts in work', () => {
  const most = 500;

  it('delays the single post of another by no more than two of its own, and hears 429 beyond', async () => {
    await using rig = await startRig({
      environment: { MAX_OPEN_JOBS: String(most), REQUESTS_PER_MINUTE: '100000' },
    });
    const [busy, other] = [await rig.account(), await rig.account()];
    const many = [];
    for (let count = 0; count < most; count += 50)
      many.push(...(await Promise.all(Array.from({ length: 50 }, () => ask(busy)))));
    const refused = await busy.request('POST', '/postTweet', { text: `Too many ${mark()}` });
    expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_open_jobs' } });
    // X takes a while for each, so that a queue would show.
    rig.simulator.faults.always(create, delay(20));
    const early = await ask(other);
    // One thing at a time: whatever goes before the other's post delays it.
    await using _worker = await rig.worker({ WORKER_CONCURRENCY: '1' });
    expect(await settled(rig, early)).toMatchObject({ status: 'published' });
    expect(overtaken(rig, { busy, other, endpoint: create, from: 0 })).toBeLessThanOrEqual(2);
    // And when the queue has been in motion for a while.
    await rig.simulator.state.requests.waitFor(() => rig.requests(busy, create).length >= 50, 30_000);
    const late = await ask(other);
    const from = rig.simulator.state.requests.all.at(-1)?.number ?? 0;
    expect(await settled(rig, late)).toMatchObject({ status: 'published' });
    expect(overtaken(rig, { busy, other, endpoint: create, from })).toBeLessThanOrEqual(2);
  });
});

describe.concurrent('one account with a hundred posts with pictures in work', () => {
  it('delays the single picture of another by no more than three of its own', async () => {
    await using rig = await startRig({
      environment: { MAX_OPEN_JOBS: '100', REQUESTS_PER_MINUTE: '100000' },
    });
    const [busy, other] = [await rig.account(), await rig.account()];
    // Each another picture: what X has already is not uploaded again.
    const picture = async (index: number) => {
      rig.mediaHost.files.set(`/${index}.png`, await onePicture(`rgb(${index}, 0, 0)`));
      return { media_url: rig.mediaHost.url(`/${index}.png`) };
    };
    await Promise.all(Array.from({ length: 100 }, async (_, index) => ask(busy, await picture(index))));
    rig.simulator.faults.always(finalize, delay(20));
    const early = await ask(other, await picture(200));
    await using _worker = await rig.worker({ WORKER_CONCURRENCY: '3' });
    expect(await settled(rig, early)).toMatchObject({ status: 'published' });
    expect(overtaken(rig, { busy, other, endpoint: finalize, from: 0 })).toBeLessThanOrEqual(3);
    await rig.simulator.state.requests.waitFor(() => rig.requests(busy, finalize).length >= 20, 30_000);
    const late = await ask(other, await picture(201));
    const from = rig.simulator.state.requests.all.at(-1)?.number ?? 0;
    expect(await settled(rig, late)).toMatchObject({ status: 'published' });
    expect(overtaken(rig, { busy, other, endpoint: create, from })).toBeLessThanOrEqual(3);
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
    for (let count = 0; count < 70; count++) {
      const text = `Many ${mark()}`;
      const post = () => busy.request('POST', '/postTweet', { text });
      const answer = await post();
      // What a machine that stands still for a moment refuses is asked once more, as any caller would.
      answers.push(answer.status === 503 ? await post() : answer);
    }
    const taken = answers.filter(({ status }) => status < 300);
    expect(answers.filter(({ status }) => ![200, 202, 429].includes(status))).toEqual([]);
    expect(answers.at(-1)).toMatchObject({ status: 429, body: { code: 'too_many_open_jobs' } });
    const single = await ask(other);
    expect(await settled(rig, single)).toMatchObject({ status: 'published' });
    hold.release();
    await Promise.all(taken.map(({ body }) => busy.ended(body.job_id)));
    expect(rig.tweetsOf(busy)).toHaveLength(taken.length);
  });
});
