import { beforeEach, describe, expect, it } from 'vitest';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createAccountPlaces, type PlaceRequest } from './account-places.ts';

const { redis } = await useOwnRedis();
beforeEach(async () => {
  for (const job of ['a', 'b', 'c', 'd']) await redis.hset(`job:${job}`, { state: 'accepted' });
});

const places = (leaseMs = 60_000) => createAccountPlaces({ redis, leaseMs });
/** Jobs are accepted in the order of their letters. */
const item = (jobId: string, index = 0, given: Partial<PlaceRequest> = {}): PlaceRequest => ({
  accountId: '7',
  jobId,
  index,
  owner: 'run 1',
  sequence: 1_700_000_000_000_000 + jobId.charCodeAt(0),
  ...given,
});
const takes = async (...items: PlaceRequest[]) => {
  const taken: boolean[] = [];
  for (const one of items) taken.push((await places().take(one)).taken);
  return taken;
};

describe('the media of an account', () => {
  it('is in work for two of its posts at a time, whichever workers have them', async () => {
    expect(await takes(item('a'), item('b'), item('c'), item('d'))).toEqual([true, true, false, false]);
    expect(await takes(item('c', 0, { accountId: '8' }))).toEqual([true]);
  });

  it('goes side by side within a post, four items in all', async () => {
    expect(await takes(item('a', 0), item('a', 1), item('a', 2), item('b'))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(await takes(item('a', 3), item('b', 1))).toEqual([false, false]);
  });

  it('of the post accepted first comes in first, and is called as soon as a place is free', async () => {
    await takes(item('a'), item('b'), item('d'), item('c'));
    expect(await places().leave(item('a'))).toEqual([{ jobId: 'c', index: 0 }]);
    expect(await takes(item('d'))).toEqual([false]);
    expect(await takes(item('c'))).toEqual([true]);
    expect(await places().leave(item('b'))).toEqual([{ jobId: 'd', index: 0 }]);
  });

  it('waits for no post that has ended', async () => {
    await takes(item('a'), item('b'), item('c'), item('d'));
    await redis.hset('job:c', { state: 'canceled' });
    expect(await places().leave(item('a'))).toEqual([{ jobId: 'd', index: 0 }]);
    await redis.del('job:d');
    expect(await places().leave(item('b'))).toEqual([]);
    expect(await redis.keys('places:*')).toEqual([]);
  });

  it('keeps its place when another run takes the item over, and the first run cannot give it away', async () => {
    await takes(item('a'), item('b'), item('c'));
    expect(await takes(item('a', 0, { owner: 'run 2' }))).toEqual([true]);
    await places().renew(item('a'));
    expect(await places().leave(item('a'))).toEqual([]);
    expect(await takes(item('c'))).toEqual([false]);
    expect(await places().leave(item('a', 0, { owner: 'run 2' }))).toEqual([{ jobId: 'c', index: 0 }]);
  });

  it('of a dead worker leaves its place in the end; that of a living one does not', async () => {
    const quick = places(2000);
    await quick.take(item('a'));
    await quick.take(item('b'));
    const refused = await quick.take(item('c'));
    expect(refused).toMatchObject({
      taken: false,
      askAfterMs: expect.toSatisfy((ms: number) => ms > 0 && ms <= 2000),
    });
    while (!(await quick.take(item('c'))).taken) await quick.renew(item('b'));
    expect(await redis.hkeys('places:7')).toEqual(expect.arrayContaining(['b:0', 'c:0']));
    expect(await redis.hexists('places:7', 'a:0')).toBe(0);
  });

  it('is let go of twice when an answer was lost, and nothing comes of it', async () => {
    await takes(item('a'), item('b'), item('c'));
    expect(await places().leave(item('a'))).toEqual([{ jobId: 'c', index: 0 }]);
    expect(await places().leave(item('a'))).toEqual([{ jobId: 'c', index: 0 }]);
    expect(await takes(item('c'), item('d'))).toEqual([true, false]);
  });
});
