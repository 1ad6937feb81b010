import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { newItem } from './job.ts';
import { historyLength, parseHistory } from './job-history.ts';
import { createJobStore } from './job-store.ts';
import { acceptedId, orderOf } from './test-order.ts';

const { redis } = await useOwnRedis();
const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k1', key: randomBytes(32) }]) });

const secretText = 'the text of the post';

async function acceptOne(media: number): Promise<string> {
  const source = { kind: 'url' as const, url: 'https://media.example/secret-name.png' };
  const posts = [{ text: secretText, media: Array(media).fill(source), altTexts: [] }] as const;
  return await acceptedId(jobs, { order: orderOf(secretText, { posts }) });
}

it('tells each new state and each wait of a job once, with its reason, and nothing of its content', async () => {
  const jobId = await acceptOne(0);
  await jobs.move(jobId, 'prepared');
  const { owner } = (await jobs.claim(jobId, 'me')) ?? {};
  const until = Date.now() + 60_000;
  await jobs.move(jobId, 'note', { owner: owner ?? '', patch: { notBefore: until, waitReason: 'limit' } });
  await jobs.move(jobId, 'note', { owner: owner ?? '', patch: { starts: 0 } });
  const again = {
    owner: owner ?? '',
    moveId: 'sent-twice',
    patch: { error: { code: 'expired', detail: secretText } },
  } as const;
  await jobs.move(jobId, 'fail', again);
  await jobs.move(jobId, 'fail', again);
  expect(await jobs.history(jobId)).toMatchObject([
    { move: 'prepared', state: 'ready', cursor: 0 },
    { move: 'note', state: 'ready', reason: 'limit', until },
    { move: 'fail', state: 'failed', code: 'expired' },
  ]);
  const lines = (await redis.lrange(`job:${jobId}:history`, 0, '-1')).join();
  expect(lines).not.toMatch(/the text|secret-name/);
});

it('is kept exactly as long as the record', async () => {
  const jobId = await acceptOne(0);
  await jobs.move(jobId, 'prepared');
  expect(await redis.pttl(`job:${jobId}:history`)).toBe(-1);
  await jobs.move(jobId, 'cancel');
  const [record, history] = await Promise.all(
    [`job:${jobId}`, `job:${jobId}:history`].map((key) => redis.pexpiretime(key)),
  );
  expect(history).toBeGreaterThan(0);
  expect(Math.abs(Number(history) - Number(record))).toBeLessThan(5);
});

it('tells each stage of a media item once, however often its progress is saved', async () => {
  const jobId = await acceptOne(2);
  await jobs.claimItem(jobId, 1, 'me');
  for (const progress of [0, 10, 20, 30])
    await jobs.saveItem(jobId, 1, 'me', { ...newItem, stage: 'fetching', progress }, { step: 'new' });
  const wait = { waitReason: 'media_host', notBefore: 5 } as const;
  await jobs.saveItem(jobId, 1, 'me', { ...newItem, stage: 'fetching', ...wait }, { step: 'new' });
  expect(await jobs.history(jobId)).toMatchObject([
    { item: 1, stage: 'fetching' },
    { item: 1, stage: 'fetching', reason: 'media_host', until: 5 },
  ]);
});

it('keeps the latest entries of a job that waits over and over', async () => {
  const jobId = await acceptOne(0);
  await jobs.claim(jobId, 'me');
  for (let until = 1; until <= historyLength + 5; until++)
    await jobs.move(jobId, 'note', { owner: 'me', patch: { notBefore: until, waitReason: 'x_down' } });
  const history = await jobs.history(jobId);
  expect(history).toHaveLength(historyLength);
  expect(history.at(-1)).toMatchObject({ until: historyLength + 5 });
});

it('leaves out what it does not know: an entry of a later version', () => {
  expect(
    parseHistory(['{"at":1,"move":"teleport","state":"ready"}', '{"at":2,"item":0,"stage":"ready"}']),
  ).toEqual([{ at: 2, item: 0, stage: 'ready' }]);
});
