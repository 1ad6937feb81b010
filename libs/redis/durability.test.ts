import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedisServer } from '../../test/redis-server.ts';
import { connectRedis } from './connect.ts';
import { checkDurability, durabilityProblems } from './durability.ts';

const good = {
  appendonly: 'yes',
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  'maxmemory-policy': 'noeviction',
};

describe('durabilityProblems', () => {
  it('finds nothing wrong with the settings that we ask for', () => {
    expect(durabilityProblems(good)).toEqual([]);
  });

  it.each([
    ['appendonly', 'no'],
    ['appendfsync', 'everysec'],
    ['no-appendfsync-on-rewrite', 'yes'],
    ['maxmemory-policy', 'allkeys-lru'],
  ])('names %s %s and what it should be', (name, value) => {
    const problems = durabilityProblems({ ...good, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`needs ${name} ${good[name as keyof typeof good]}`);
  });
});

describe('checkDurability', () => {
  let server: Awaited<ReturnType<typeof startRedisServer>>;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  it('trusts the Redis that npm start brings', async () => {
    await using redis = await connectRedis(server.url, 'fail-fast');
    expect(await checkDurability(redis)).toEqual({ problems: [], unchecked: [] });
  });

  it('does not trust a Redis as it comes out of the package', async () => {
    await using plain = await startRedisServer({
      args: ['--appendonly', 'no', '--appendfsync', 'everysec', '--maxmemory-policy', 'volatile-lru'],
    });
    await using redis = await connectRedis(plain.url, 'fail-fast');
    const { problems } = await checkDurability(redis);
    expect(problems.map((line) => line.split(' ')[2])).toEqual([
      'appendonly',
      'appendfsync',
      'maxmemory-policy',
    ]);
  });

  it('says what it could not check where CONFIG is forbidden, and still sees what INFO tells', async () => {
    await using admin = await connectRedis(server.url, 'fail-fast');
    await admin.call('ACL', 'SETUSER', 'hosted', 'on', '>pass', '~*', '&*', '+@all', '-config');
    const url = server.url.replace('redis://', 'redis://hosted:pass@');
    await using hosted = await connectRedis(url, 'fail-fast');
    expect(await checkDurability(hosted)).toEqual({
      problems: [],
      unchecked: ['appendfsync', 'no-appendfsync-on-rewrite'],
    });
    await admin.config('SET', 'appendonly', 'no');
    expect((await checkDurability(hosted)).problems.join()).toMatch(/appendonly no/);
    await admin.config('SET', 'appendonly', 'yes');
  });

  it('does not trust a replica', async () => {
    await using replica = await startRedisServer({ args: ['--replicaof', '127.0.0.1', '1'] });
    await using redis = await connectRedis(replica.url, 'fail-fast');
    expect((await checkDurability(redis)).problems.join()).toMatch(/is a replica/);
  });

  it('throws when Redis does not answer', async () => {
    await using gone = await startRedisServer();
    await using redis = await connectRedis(gone.url, 'fail-fast');
    gone.kill('SIGKILL');
    await gone.ended;
    await expect(checkDurability(redis)).rejects.toThrow();
  });
});
