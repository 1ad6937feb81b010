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
/** What each gets that wants to fetch a file whose link ends soon. */
const fetches = async (...items: PlaceRequest[]) => {
  const given: (string | null)[] = [];
  for (const one of items) {
    const answer = await places().take(one, 'fetch');
    given.push(answer.taken ? answer.purpose : null);
  }
  return given;
};
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

describe('files of an account whose links end soon', () => {
  it('are fetched although two posts are in work, but not beyond four items', async () => {
    await takes(item('a'), item('b'));
    expect(await fetches(item('c'), item('d', 0), item('d', 1))).toEqual(['fetch', 'fetch', null]);
    expect(await fetches(item('a', 1))).toEqual([null]);
    expect(await fetches(item('d', 1, { accountId: '8' }))).toEqual(['work']);
  });

  it('are worked on at once where there is room for that, and nobody waits for it', async () => {
    expect(await fetches(item('b', 0), item('b', 1), item('a'))).toEqual(['work', 'work', 'work']);
    await takes(item('c'));
    await places().leave(item('a'));
    expect(await fetches(item('d'))).toEqual(['fetch']);
  });

  it('are fetched one by one where all items in work are others', async () => {
    await takes(item('a', 0), item('a', 1), item('a', 2), item('a', 3));
    expect(await fetches(item('c'), item('b'))).toEqual(['fetch', null]);
    expect(await places().leave(item('c'))).toEqual([{ jobId: 'b', index: 0 }]);
  });

  it('go before all others, in the order of acceptance', async () => {
    await takes(item('a', 0), item('a', 1), item('a', 2), item('a', 3), item('b'));
    await fetches(item('a', 4), item('d'), item('c'));
    expect(await places().leave(item('a', 0))).toEqual([]);
    expect(await places().leave(item('a', 1))).toEqual([{ jobId: 'c', index: 0 }]);
    expect(await fetches(item('c'))).toEqual(['fetch']);
    await places().leave(item('a', 2));
    expect(await places().leave(item('a', 3))).toEqual([
      { jobId: 'd', index: 0 },
      { jobId: 'b', index: 0 },
    ]);
  });

  it('wait for the turn of their post once they are here, and keep nobody out meanwhile', async () => {
    await takes(item('a'), item('b'));
    await fetches(item('c'), item('d'));
    expect(await takes(item('d'), item('c'))).toEqual([false, false]);
    expect(await places().leave(item('d'))).toEqual([]);
    expect(await places().leave(item('c'))).toEqual([]);
    expect(await places().leave(item('a'))).toEqual([{ jobId: 'c', index: 0 }]);
    expect(await takes(item('d'), item('c'))).toEqual([false, true]);
  });

  it('keep their place to fetch while it is renewed, and give it to another run that takes them over', async () => {
    await takes(item('a'), item('b'));
    await fetches(item('c'));
    await places().renew(item('c'), 'fetch');
    expect(await fetches(item('c', 0, { owner: 'run 2' }))).toEqual(['fetch']);
    await places().leave(item('c'));
    expect(await redis.hkeys('places:7')).toContain('c:0');
    await places().leave(item('a'));
    expect(await takes(item('c', 0, { owner: 'run 2' }), item('d'))).toEqual([true, false]);
  });
});
