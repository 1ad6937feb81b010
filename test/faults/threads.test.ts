import { describe, expect, it } from 'vitest';
import { actThenAnswer, answer, type Fault, spoil } from '#apps/x-simulator/fault.ts';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type Asked, ask, create, type Rig, settled, startRig, timeline } from './rig.ts';

const startThreads = (environment: Record<string, string> = {}) =>
  startRig({ workers: 1, environment: { CONFIRM_AFTER_MS: '500', ...environment } });

/** The posts on X, as places in the thread that was asked for, each a reply to the one before. */
function expectThread(rig: Rig, { session, marks }: Asked, places: readonly number[]): void {
  const tweets = rig.tweetsOf(session);
  expect(tweets.map((tweet) => marks.findIndex((word) => tweet.text.includes(word)))).toEqual(places);
  expect(tweets.map((tweet) => tweet.replyTo ?? null)).toEqual([
    null,
    ...tweets.slice(0, -1).map(({ id }) => id),
  ]);
}

describe.concurrent('a thread whose third post has an unknown outcome', () => {
  it.each([
    ['and was created', actThenAnswer(500)],
    ['and was not created', answer(500)],
  ])('%s: the fourth waits for it, all are there once and in order', async (_, fault) => {
    await using rig = await startThreads();
    const session = await rig.account();
    rig.simulator.faults.nth(create, 3, fault);
    const asked = await ask(session, {}, 4);
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expectThread(rig, asked, [0, 1, 2, 3, 4]);
  });
});

describe.concurrent('a thread whose second post X created without telling its id', () => {
  it('says nothing about the third: that one is looked for and sent again like any other', async () => {
    await using rig = await startThreads();
    const session = await rig.account();
    rig.simulator.faults.nth(create, 2, spoil('half-json'));
    rig.simulator.faults.nth(create, 3, answer(500));
    const asked = await ask(session, {}, 2);
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expectThread(rig, asked, [0, 1, 2]);
  });
});

describe.concurrent('a thread that nobody knows how far it is', () => {
  /** Its second post has an unknown outcome, and X does not show its posts. */
  async function uncertain(rig: Rig, fault: Fault) {
    const session = await rig.account();
    rig.simulator.faults.nth(create, 2, fault);
    const refused = rig.simulator.faults.always(timeline, answer(403));
    const asked = await ask(session, {}, 2);
    expect(await settled(rig, asked)).toMatchObject({ status: 'unconfirmed', tweets: [{ index: 0 }] });
    return { asked, session, showAgain: () => rig.simulator.faults.remove(refused) };
  }
  const resolve = ({ session, jobId }: Asked, body: object) =>
    session.request<JobView & { errors?: object[] }>('POST', `/jobs/${jobId}/resolve`, body);
  const start = () => startThreads({ CONFIRM_AFTER_MS: '100', RESEND_POLICY: 'never' });

  it('goes on after the post that its user names', async () => {
    await using rig = await start();
    const { asked, session } = await uncertain(rig, actThenAnswer(500));
    const answered = await resolve(asked, { outcome: 'posted', tweet_id: rig.tweetsOf(session)[1]?.id });
    expect(answered).toMatchObject({ status: 200, body: { error: null } });
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expectThread(rig, asked, [0, 1, 2]);
  });

  it('goes on when its user says that the post is there, once X shows it', async () => {
    await using rig = await start();
    const { asked, showAgain } = await uncertain(rig, actThenAnswer(500));
    showAgain();
    expect((await resolve(asked, { outcome: 'posted' })).body.status).toBe('confirming');
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expectThread(rig, asked, [0, 1, 2]);
  });

  it('ends with what is live when its user says that the post is there, and X does not show it', async () => {
    await using rig = await start();
    const { asked } = await uncertain(rig, actThenAnswer(500));
    await resolve(asked, { outcome: 'posted' });
    const job = await asked.session.ended(asked.jobId);
    expect(job).toMatchObject({ status: 'failed', tweets: [{ index: 0 }, { index: 1, tweet_id: null }] });
    expect(job.message).toContain('2 of the thread');
    expectThread(rig, asked, [0, 1]);
  });

  it('sends the post again and goes on when its user wants that', async () => {
    await using rig = await start();
    const { asked } = await uncertain(rig, answer(500));
    await resolve(asked, { outcome: 'resend' });
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expectThread(rig, asked, [0, 1, 2]);
  });

  it('ends with what is live when its user says that the post is not there', async () => {
    await using rig = await start();
    const { asked } = await uncertain(rig, answer(500));
    await resolve(asked, { outcome: 'not_posted' });
    expect(await settled(rig, asked)).toMatchObject({ status: 'failed', tweets: [{ index: 0 }] });
    expectThread(rig, asked, [0]);
  });

  it('takes no post for its own that cannot be', async () => {
    await using rig = await start();
    const { asked, session } = await uncertain(rig, answer(500));
    const another = await ask(session);
    const earlier = '1460000000000000000';
    const mine = rig.tweetsOf(session)[0]?.id;
    const anotherId = (await settled(rig, another)).tweet_id;
    for (const tweet_id of [earlier, mine, anotherId])
      expect(await resolve(asked, { outcome: 'posted', tweet_id }), String(tweet_id)).toMatchObject({
        status: 422,
        body: { code: 'validation_failed', errors: [{ field: 'tweet_id' }] },
      });
    expect(await resolve(asked, { outcome: 'resend', tweet_id: mine })).toMatchObject({ status: 422 });
    expect(await settled(rig, asked)).toMatchObject({ status: 'unconfirmed' });
  });
});
