import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Session, type System, startProcess, startSystem, type TestProcess } from './system.ts';

let system: System;
const workers: TestProcess[] = [];
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  workers.push(...(await Promise.all([1, 2, 3].map(() => startProcess('quick-worker', system.environment)))));
});
afterAll(async () => {
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const refreshes = () =>
  system.simulator.state.requests.all.filter((request) =>
    request.bodyText?.includes('grant_type=refresh_token'),
  );
const visible = (session: Session) => system.simulator.state.tweets.visible(session.account.id);

/** Twenty posts of one account, on three workers. */
async function postTwenty(session: Session, what: string, more: object = {}): Promise<void> {
  const texts = Array.from({ length: 20 }, (_, index) => `${what} ${index}`);
  const accepted = await Promise.all(
    texts.map((text) => session.request('POST', '/postTweet', { text, ...more })),
  );
  for (const { body } of accepted)
    expect(await session.ended(body.job_id)).toMatchObject({ status: 'published' });
  expect(
    visible(session)
      .map(({ text }) => text)
      .toSorted(),
  ).toEqual(texts.toSorted());
}

it('twenty posts of an account whose token X no longer takes ask for one refresh over three workers', async () => {
  const session = await system.connect('sandbox_ada');
  system.simulator.state.grants.expireAccessTokens(session.account.id);
  const picture = { width: 32, height: 32, channels: 3, background: '#778899' } as const;
  system.mediaHost.files.set('/dot.png', await sharp({ create: picture }).png().toBuffer());
  // Media of different posts is uploaded side by side: all of them meet the dead token at once.
  await postTwenty(session, 'Refused', { media_url: system.mediaHost.url('/dot.png') });
  expect(refreshes()).toHaveLength(1);
});

it('twenty posts of an account whose token is about to end ask for one refresh over three workers', async () => {
  system.simulator.state.settings.accessTokenSeconds = 2;
  const session = await system.connect('sandbox_ben');
  system.simulator.state.settings.accessTokenSeconds = 7200;
  const before = refreshes().length;
  // Sent when the token has less than half of its short life left, however fast the machine is.
  const publishAt = new Date(Date.now() + 1500).toISOString();
  await postTwenty(session, 'Ending', { publish_at: publishAt });
  expect(refreshes()).toHaveLength(before + 1);
});
