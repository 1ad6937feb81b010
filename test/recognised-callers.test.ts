import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRedis } from '#libs/redis/connect.ts';
import { type Session, type System, startSystem } from './system.ts';

const perMinute = 30;
let system: System;
let redis: Awaited<ReturnType<typeof connectRedis>>;
beforeAll(async () => {
  system = await startSystem({ workers: 0, environment: { REQUESTS_PER_MINUTE: String(perMinute) } });
  redis = await connectRedis(system.redis.url, 'wait');
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

let count = 0;
const post = (session: Session, more: object = {}) =>
  session.request<{ code?: string; job_id?: string; client_request_replayed?: boolean }>(
    'POST',
    '/postTweet',
    {
      text: `Post ${count++}`,
      ...more,
    },
  );

/** Somebody who has just posted, so that the API knows who that is. */
async function recognised(user = 'sandbox_ada'): Promise<Session> {
  const session = await system.connect(user);
  expect((await post(session)).status).toBe(202);
  return session;
}

const accountOf = (session: Session) => `account:${session.account.id}`;

describe('an access token that was good a moment ago', () => {
  it.each(['AccessToken', 'Grant'])(
    'is refused once its %s is gone, also for what it posted before',
    async (kind) => {
      const session = await recognised();
      const again = { request_id: 'the same', text: 'Told twice' };
      expect((await post(session, again)).status).toBe(202);
      const before = await redis.scard(`open:${session.account.id}`);
      await redis.del(await redis.keys(`oauth:${kind}:*`));
      for (const body of [{}, again, { text: '' }]) {
        const refused = await post(session, body);
        expect(refused).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
        expect(refused.headers.get('www-authenticate')).toContain('invalid_token');
      }
      expect(await redis.scard(`open:${session.account.id}`)).toBe(before);
    },
  );

  it('is refused once its account is disconnected', async () => {
    const session = await recognised('sandbox_ben');
    expect((await session.request('DELETE', '/me')).status).toBe(200);
    expect(await post(session)).toMatchObject({ status: 401 });
  });
});

describe('an account that was connected a moment ago', () => {
  it.each([
    ['X took its sign-in back', (key: string) => redis.hset(key, 'st', 'DEAD')],
    ['its tokens are damaged', (key: string) => redis.hset(key, 'sealed', 'damaged')],
    ['it is gone', (key: string) => redis.del(key)],
  ])('has to be connected again when %s', async (_, change) => {
    const session = await recognised();
    await change(accountOf(session));
    expect(await post(session)).toMatchObject({ status: 403, body: { code: 'reconnect_needed' } });
  });

  it('is refused once a right is missing, and posts on once it is back', async () => {
    const session = await recognised();
    const scope = String(await redis.hget(accountOf(session), 'scope'));
    await redis.hset(accountOf(session), 'scope', 'users.read');
    expect(await post(session)).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    await redis.hset(accountOf(session), 'scope', scope);
    expect(await post(session)).toMatchObject({ status: 202 });
  });
});

it('a request counts once, whether it is accepted, refused or judged twice', async () => {
  const session = await system.connect('sandbox_cleo');
  const statuses: number[] = [];
  for (let times = 0; times <= perMinute; times++)
    statuses.push((await post(session, times % 2 === 0 ? {} : { text: '' })).status);
  expect(statuses.indexOf(429)).toBe(perMinute);
  expect(new Set(statuses)).toEqual(new Set([202, 422, 429]));
});
