import { beforeEach, describe, expect, it } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { redisNow } from './job-record.ts';
import { type Condition, createRecordMoves } from './record-moves.ts';

const { redis } = await useOwnRedis();
const called: string[] = [];
const moves = createRecordMoves({
  redis,
  keysOf: (jobId) => [`job:${jobId}`, 'jobs:open'],
  retentionMs: 60_000,
  onTurn: (jobId) => void called.push(jobId),
});
beforeEach(() => {
  called.length = 0;
});

/** A text of account 7, taken over by worker w and not sent yet; later ones come later. */
let sequence = 0;
async function accepted(jobId: string): Promise<void> {
  sequence += 1;
  const record = { state: 'accepted', owner: 'w', account: '7', media: '0', cursor: '0', accepted_at: '1' };
  await redis.hset(`job:${jobId}`, { ...record, sequence: String(sequence) });
  await redis.zadd('lane:7', sequence, jobId);
}
const intent = (moveId: string) => ({
  owner: 'w',
  cursor: 0,
  moveId,
  patch: { attemptId: moveId, deadlineAt: redisNow(5000) },
});
const created = (id: string) => ({
  cursor: 0,
  moveId: `created ${id}`,
  tweet: { id, claim: 'take' as const },
  charge: { keys: ['spend:7', 'spend:all'], thousandths: 15, keptMs: 60_000 },
  calls: ['{"endpoint":"create_tweet"}'],
});

/** As many calls as `calls` says, each taken when a move is made. */
const gate: Condition = {
  lua: `if tonumber(redis.call('GET', KEYS[1])) < tonumber(ARGV[1]) then return {1, 'closed'} end
    return {0, 'open'}, function() redis.call('DECRBY', KEYS[1], ARGV[1]) end`,
  keys: ['calls'],
  values: [1],
};
const callsLeft = async () => Number(await redis.get('calls'));

describe('a move with a condition', () => {
  it('is made together with what the condition counts', async () => {
    await accepted('a');
    await redis.set('calls', 3);
    expect(await moves.moveIf('a', 'beginSend', intent('m'), gate)).toEqual({
      answer: [0, 'open'],
      result: { done: true, at: expect.any(Number) },
    });
    expect(await callsLeft()).toBe(2);
    expect(await redis.hget('job:a', 'state')).toBe('sending');
  });

  it('is not made, and not looked at, when the condition does not hold', async () => {
    await accepted('a');
    await redis.set('calls', 0);
    expect(await moves.moveIf('a', 'beginSend', intent('m'), gate)).toEqual({
      answer: [1, 'closed'],
      result: null,
    });
    expect(await redis.hget('job:a', 'state')).toBe('accepted');
  });

  it('counts nothing when a guard of the record does not hold', async () => {
    await accepted('a');
    await redis.set('calls', 3);
    const given = { ...intent('m'), owner: 'another' };
    expect((await moves.moveIf('a', 'beginSend', given, gate)).result).toEqual({
      done: false,
      reason: 'owner',
    });
    expect(await callsLeft()).toBe(3);
  });

  it('sent again because its answer was lost is done and counted once, whatever the condition says by now', async () => {
    await accepted('a');
    await redis.set('calls', 1);
    await moves.moveIf('a', 'beginSend', intent('m'), gate);
    expect(await moves.moveIf('a', 'beginSend', intent('m'), gate)).toMatchObject({ result: { done: true } });
    expect(await callsLeft()).toBe(0);
  });

  it('is refused for a text that still has media to wait for', async () => {
    await accepted('a');
    await redis.hset('job:a', { media: '1' });
    await redis.set('calls', 1);
    expect((await moves.moveIf('a', 'beginSend', intent('m'), gate)).result).toEqual({
      done: false,
      reason: 'media',
    });
  });
});

it('what X billed and which calls were made is written once with the outcome', async () => {
  await accepted('a');
  await moves.move('a', 'beginSend', intent('m'));
  await moves.move('a', 'created', created('1'));
  await moves.move('a', 'created', created('1'));
  expect(await redis.mget('spend:7', 'spend:all')).toEqual(['15', '15']);
  expect(await redis.lrange('job:a:calls', 0, '-1')).toEqual(['{"endpoint":"create_tweet"}']);
  for (const key of ['spend:7', 'job:a:calls', 'job:a']) expect(await redis.pttl(key)).toBeGreaterThan(0);
});

describe('the next post of an account', () => {
  it('is called when it was there before its turn', async () => {
    for (const jobId of ['a', 'b', 'c']) await accepted(jobId);
    await moves.move('a', 'beginSend', intent('m'));
    for (const jobId of ['c', 'b'])
      expect(await moves.move(jobId, 'beginSend', intent(jobId))).toEqual({ done: false, reason: 'turn' });
    await moves.move('a', 'created', created('1'));
    expect(called).toEqual(['b']);
    await moves.move('b', 'cancel');
    expect(called).toEqual(['b', 'c']);
    await moves.move('c', 'cancel');
    expect(await redis.keys('lane:*')).toEqual([]);
  });

  it('is called once more when the outcome before it is sent again because its answer was lost', async () => {
    for (const jobId of ['a', 'b']) await accepted(jobId);
    await moves.move('a', 'beginSend', intent('m'));
    await moves.move('b', 'beginSend', intent('b'));
    await moves.move('a', 'beginSend', intent('m'));
    expect(called).toEqual([]);
    for (const _ of [1, 2]) await moves.move('a', 'created', created('1'));
    expect(called).toEqual(['b', 'b']);
  });

  it('is left alone when its entry has not come up yet', async () => {
    for (const jobId of ['a', 'b']) await accepted(jobId);
    await moves.move('a', 'beginSend', intent('m'));
    await moves.move('a', 'created', created('1'));
    expect(called).toEqual([]);
    expect(await moves.move('b', 'beginSend', intent('b'))).toMatchObject({ done: true });
  });
});

describe('a post that was found', () => {
  /** The one in doubt, and another job with the same content, which was sent `agoMs` ago. */
  async function doubted(other: { state: string; agoMs: number } & Record<string, string | number>) {
    await redis.flushall();
    const now = Date.now();
    const { agoMs, ...rival } = other;
    for (const jobId of ['a', 'b']) {
      await accepted(jobId);
      await redis.sadd('open:7', jobId);
      await redis.hset(`job:${jobId}`, {
        fingerprint: 'same',
        state: 'confirming',
        intent_at: now - 1_000_000,
      });
    }
    await redis.hset('job:b', { intent_at: now - agoMs, ...rival });
    const find = (createdAt: number) =>
      moves.move('a', 'created', { cursor: 0, tweet: { id: '1', claim: 'if_free', createdAt } });
    return { now, find };
  }
  const contested = { done: false, reason: 'contested' };

  it('is not claimed while X may yet say that it is the answer to another job with the same content', async () => {
    for (const state of ['sending', 'confirming']) {
      const { now, find } = await doubted({ state, agoMs: 20_000 });
      expect(await find(now - 10_000)).toEqual(contested);
      await redis.hset('job:b', 'state', 'published');
      expect(await find(now - 10_000)).toMatchObject({ done: true });
    }
  });

  it.each([
    ['has other content', { state: 'sending', agoMs: 20_000, fingerprint: 'other' }],
    ['was sent so long ago that no answer comes any more', { state: 'confirming', agoMs: 50_000 }],
    ['was refused as a duplicate', { state: 'confirming', agoMs: 20_000, observation: '{"duplicate":true}' }],
  ])('is claimed where the other one %s', async (_, other) => {
    const { now, find } = await doubted(other);
    expect(await find(now - 10_000)).toMatchObject({ done: true });
  });

  it('is claimed where it was made before the other one was sent', async () => {
    const { now, find } = await doubted({ state: 'sending', agoMs: 20_000 });
    expect(await find(now - 30_000)).toMatchObject({ done: true });
  });
});
