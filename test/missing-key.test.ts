import { randomBytes } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createAccountStore } from '#libs/accounts/account-store.ts';
import { createSealedOrders } from '#libs/jobs/reseal-orders.ts';
import { planIntent } from '#libs/publish/intent.ts';
import { createSealer, type Sealer } from '#libs/sealing/sealing.ts';
import { openWorkerByHand, type WorkerByHand } from './run-by-run.ts';
import { type Session, type System, startSystem } from './system.ts';

let system: System;
/** As it is before the new key reaches it. */
let old: WorkerByHand;
/** Seals with k2, which the API and the old worker lack. */
let newSealer: Sealer;
let both: string;
let session: Session;
beforeAll(async () => {
  system = await startSystem({ workers: 0 });
  old = await openWorkerByHand(system);
  const k2 = randomBytes(32);
  both = `k2:${k2.toString('base64')},${system.environment.TOKEN_KEYS}`;
  newSealer = createSealer([{ kid: 'k2', key: k2 }, ...system.config.secrets.tokenKeys]);
});
afterAll(async () => {
  await old[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});
beforeEach(async () => {
  session = await system.connect();
});
afterEach(() => system.simulator.reset());

const post = async (text: string, more: object = {}) =>
  (await session.request('POST', '/postTweet', { text, ...more })).body.job_id;
/** Of its own: what X knows already is not uploaded again. */
const postPicture = async (text: string, background: string) => {
  const picture = sharp({ create: { width: 60, height: 60, channels: 3, background } });
  system.mediaHost.files.set(`/${background}.png`, await picture.png().toBuffer());
  return await post(text, { media_url: system.mediaHost.url(`/${background}.png`) });
};
const shown = async (jobId: string) => (await session.request('GET', `/jobs/${jobId}`)).body;
const sealTokensAnew = async () =>
  expect(await createAccountStore({ redis: old.redis, sealer: newSealer }).reseal(session.account.id)).toBe(
    true,
  );
const sealOrderAnew = async (jobId: string) =>
  expect(await createSealedOrders({ redis: old.redis, sealer: newSealer }).reseal(jobId)).toBe(true);
const waiting = { status: 'waiting', error: null, message: expect.stringMatching(/lacks the key/) };
const hourAgo = () => String(Date.now() - 3_601_000);
const givenUp = {
  status: 'failed',
  error: { code: 'internal_error', detail: expect.stringMatching(/key/), action_required: 'operator' },
};

/** The time is over that the post, or its first media item, was to wait. */
async function makeDue(jobId: string, index?: number): Promise<void> {
  if (index === undefined) await old.redis.hdel(`job:${jobId}`, 'not_before');
  else await changeItem(jobId, { notBefore: null });
}

async function changeItem(jobId: string, changes: object): Promise<void> {
  const item = JSON.parse((await old.redis.hget(`job:${jobId}`, 'item:0')) ?? '');
  await old.redis.hset(`job:${jobId}`, 'item:0', JSON.stringify({ ...item, ...changes }));
}

/** More runs of the old worker than a job that makes it fail would live through. */
async function runOften(jobId: string, index?: number): Promise<void> {
  const before = old.events.length;
  for (let run = 0; run < 6; run++) {
    await makeDue(jobId, index);
    const wakeAt = await old.run(jobId, index === undefined ? {} : { index });
    expect(wakeAt).toBeGreaterThan(Date.now() + 3000);
  }
  expect(await shown(jobId)).toMatchObject(waiting);
  const told = old.events.slice(before);
  expect(told).toMatchObject([{ jobId, level: 'error', message: expect.stringContaining('k2') }]);
}

async function runWithBothKeys(jobId: string, index?: number): Promise<void> {
  await makeDue(jobId, index);
  await using worker = await openWorkerByHand(system, { TOKEN_KEYS: both });
  if (index !== undefined) expect(await worker.run(jobId, { index })).toBeNull();
  expect(await worker.run(jobId)).toBeNull();
  expect(await shown(jobId)).toMatchObject({ status: 'published' });
}

it('a post of an account whose tokens were sealed with a key that a worker lacks waits for one that has it', async () => {
  await sealTokensAnew();
  expect((await session.request<{ connected: boolean }>('GET', '/me')).body.connected).toBe(true);
  const jobId = await post('Tokens');
  await runOften(jobId);
  await runWithBothKeys(jobId);
});

it('a post that was sealed with a key that a worker lacks waits for one that has it', async () => {
  const jobId = await post('An order');
  await sealOrderAnew(jobId);
  await runOften(jobId);
  await runWithBothKeys(jobId);
});

it('media of a post that was sealed with a key that a worker lacks waits for one that has it', async () => {
  const jobId = await postPicture('A picture', 'red');
  await sealOrderAnew(jobId);
  await runOften(jobId, 0);
  await runWithBothKeys(jobId, 0);
});

it('media of an account whose tokens were sealed with a key that a worker lacks waits for one that has it', async () => {
  const jobId = await postPicture('A picture of theirs', 'green');
  await sealTokensAnew();
  await old.run(jobId, { index: 0 });
  expect(await shown(jobId)).toMatchObject({ status: 'waiting', media: [{ kind: 'image' }] });
  await runWithBothKeys(jobId, 0);
});

it('a key that stays away fails the post in the end, and the account is as connected as before', async () => {
  await sealTokensAnew();
  const jobId = await post('Tokens for good');
  await old.run(jobId);
  await old.redis.hset(`job:${jobId}`, 'failing_since', hourAgo());
  await makeDue(jobId);
  expect(await old.run(jobId)).toBeNull();
  expect(await shown(jobId)).toMatchObject(givenUp);
  expect(await old.redis.hget(`account:${session.account.id}`, 'st')).toBe('OK');
  expect((await session.request<{ connected: boolean }>('GET', '/me')).body.connected).toBe(true);
});

it('a key that stays away fails a post with media in the end', async () => {
  const jobId = await postPicture('A picture for good', 'blue');
  await sealOrderAnew(jobId);
  await old.run(jobId, { index: 0 });
  await changeItem(jobId, { failingSince: Number(hourAgo()) });
  expect(await old.run(jobId, { index: 0 })).toBeNull();
  expect(await shown(jobId)).toMatchObject(givenUp);
});

it('what may be on X is never called failed for want of a key: it is left to its user', async () => {
  const jobId = await post('Perhaps');
  await sealOrderAnew(jobId);
  // Redis has gone back in time, and nobody can tell what the post says.
  await old.deps.jobs.distrust();
  await old.run(jobId);
  await old.redis.hset(`job:${jobId}`, 'failing_since', hourAgo());
  await old.run(jobId);
  expect(await shown(jobId)).toMatchObject({ status: 'confirming' });
  for (let run = 0; run < 5; run++) await old.run(jobId);
  expect(await shown(jobId)).toMatchObject({ status: 'confirming' });
  await old.redis.hset(`job:${jobId}`, 'intent_at', hourAgo());
  await old.run(jobId);
  expect(await shown(jobId)).toMatchObject({ status: 'unconfirmed' });
  for (let run = 0; run < 5; run++) expect(await old.run(jobId)).toBeNull();
  expect(await shown(jobId)).toMatchObject({ status: 'unconfirmed' });
  // Where the post goes on depends on what it says, which this API cannot tell either.
  const settled = await session.request<{ code: string }>('POST', `/jobs/${jobId}/resolve`, {
    outcome: 'posted',
  });
  expect([settled.status, settled.body.code]).toEqual([503, 'unavailable']);
});

/** Its sender has died between the intent and the outcome. */
async function beginSend(jobId: string): Promise<void> {
  const claimed = await old.deps.jobs.claim(jobId, 'gone');
  if (!claimed) throw new Error('nothing to claim');
  const { name, facts } = planIntent(claimed, { owner: 'gone', attemptId: 'a' });
  expect(await old.deps.jobs.move(jobId, name, facts)).toMatchObject({ done: true });
}

it('a post whose sender died is looked for on X by whoever has its key', async () => {
  const jobId = await post('Half a send');
  await sealOrderAnew(jobId);
  await beginSend(jobId);
  expect(await old.run(jobId)).toBeGreaterThan(Date.now());
  expect(await shown(jobId)).toMatchObject({ status: 'processing', stage: 'posting' });
  await old.redis.hset(`job:${jobId}`, 'deadline_at', 1);
  expect(await old.run(jobId)).toBeGreaterThan(Date.now());
  expect(await shown(jobId)).toMatchObject({ status: 'confirming' });
});

it('a post is not looked for on X without the key of its account: that is no refusal of X', async () => {
  const jobId = await post('Perhaps theirs');
  await beginSend(jobId);
  await old.redis.hset(`job:${jobId}`, 'deadline_at', 1, 'intent_at', Date.now() - 10_000);
  await sealTokensAnew();
  await old.run(jobId);
  expect(await old.run(jobId)).toBeGreaterThan(Date.now());
  expect(old.events.at(-1)).toMatchObject({ jobId, message: expect.stringContaining('k2') });
  const job = await old.deps.jobs.find(jobId);
  expect(job).toMatchObject({ state: 'confirming', observation: { refusedReads: 0 }, notBefore: null });
});

it('a call that needs those tokens is answered with when to try again', async () => {
  await sealTokensAnew();
  const answer = await session.request<{ code: string }>('DELETE', '/tweets/1450000000000000000');
  expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
});
