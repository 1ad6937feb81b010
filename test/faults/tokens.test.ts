import { describe, expect, it } from 'vitest';
import { answer } from '#apps/x-simulator/fault.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { startRedisRelay } from '../redis-relay.ts';
import { ask, create, type Rig, settled, startRig, token } from './rig.ts';

/** Requests that presented a refresh token. */
const refreshes = (rig: Rig) =>
  rig.simulator.state.requests.all.filter(
    ({ endpoint, bodyText }) => endpoint === token && bodyText?.includes('grant_type=refresh_token'),
  );
/** X's clock moves on: to X, every access token given so far has ended. */
const endTokens = ({ simulator }: Rig) => {
  simulator.state.settings.now = () => Date.now() + 3 * 3_600_000;
};

describe.concurrent('an access token that has ended', () => {
  it('with twenty posts waiting and three workers: refreshed exactly once', async () => {
    await using rig = await startRig({ workers: 3 });
    const session = await rig.account();
    endTokens(rig);
    const asked = await Promise.all(Array.from({ length: 20 }, () => ask(session)));
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    expect(refreshes(rig)).toHaveLength(1);
  });

  it('while X gives no new one for a moment: the post waits and is published', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    endTokens(rig);
    rig.simulator.faults.next(token, answer(503));
    rig.simulator.faults.next(token, answer(503));
    expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
  });

  it('with its worker killed when X has rotated and not answered: one more try, then the user has to connect again', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    endTokens(rig);
    const hold = rig.simulator.faults.hold(token, 'committed');
    const doomed = await rig.worker();
    const asked = await ask(session);
    await hold.reached;
    doomed.kill('SIGKILL');
    await doomed.exited;
    rig.simulator.faults.clear();
    await giveUpLock(rig, session.account.id);
    await using _heir = await rig.worker();
    const job = await settled(rig, asked);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'reconnect_needed' } });
    expect(refreshes(rig)).toHaveLength(2);
  });

  it('with its worker killed with the new pair in hand: the pair is found on disk, and the spent one is not presented again', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    endTokens(rig);
    await using relay = await startRedisRelay(rig.redis.port);
    const doomed = await rig.worker({ REDIS_URL: relay.url });
    // The only sealed thing that a worker writes is a token pair.
    const killed = relay.once({
      command: 'v1.k1.',
      at: 'request',
      afterwards: 'lose',
      act: () => doomed.kill('SIGKILL'),
    });
    const asked = await ask(session);
    await killed;
    await doomed.exited;
    expect(refreshes(rig)).toHaveLength(1);
    await giveUpLock(rig, session.account.id);
    await using _heir = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    const presented = refreshes(rig).map(({ bodyText }) =>
      new URLSearchParams(bodyText ?? '').get('refresh_token'),
    );
    expect(new Set(presented).size).toBe(presented.length);
  });
});

describe.concurrent('a user', () => {
  it('who takes the right away at X: asked once for a new token, then told to connect again, and the tokens are gone', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    rig.simulator.state.grants.disconnect(session.account.id);
    const job = await settled(rig, await ask(session));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'reconnect_needed' } });
    expect(refreshes(rig)).toHaveLength(1);
    await using redis = await connectRedis(rig.redis.url, 'wait');
    expect(await redis.hget(`account:${session.account.id}`, 'st')).toBe('DEAD');
    const refused = await session.request('POST', '/postTweet', { text: 'Once more' });
    expect([401, 403]).toContain(refused.status);
  });

  it('who connects another account meanwhile: what was asked for the first is posted to the first', async () => {
    await using rig = await startRig();
    const first = await rig.account();
    const asked = await ask(first);
    const second = await rig.account();
    await using _worker = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published' });
    expect(rig.tweetsOf(first)).toHaveLength(1);
    expect(rig.requests(second, create)).toHaveLength(0);
  });
});

/** As if the minute had passed for which a dead worker still holds the right to refresh. */
async function giveUpLock(rig: Rig, accountId: string): Promise<void> {
  await using redis = await connectRedis(rig.redis.url, 'wait');
  await redis.del(`lock:refresh:${accountId}`);
}
