import { setTimeout as pass } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startRedisRelay } from '../redis-relay.ts';
import { isLong } from './long.ts';
import { ask, create, settled, startRig } from './rig.ts';

const beginSend = '"to":"sending"';

describe.concurrent('a worker frozen between the intent and the request', () => {
  it('does not send when it wakes, as another worker has done it meanwhile', async () => {
    await using rig = await startRig();
    await playFrozenWorker(rig);
  });

  it.runIf(isLong)(
    'for 90 seconds, with every wait as it is in production: one request',
    async () => {
      await using rig = await startRig({ environment: { CONFIRM_AFTER_MS: '60000' } });
      await playFrozenWorker(rig, { timings: 'usual', frozenMs: 90_000 });
    },
    240_000,
  );
});

describe.concurrent('Redis stands still', () => {
  it('for longer than the lock while X creates the post: it is posted once and published', async () => {
    await using rig = await startRig();
    await playFrozenRedis(rig, { frozenMs: 8000 });
  });

  it.runIf(isLong)(
    'for 90 seconds, with every wait as it is in production: one request',
    async () => {
      await using rig = await startRig({ environment: { CONFIRM_AFTER_MS: '60000' } });
      await playFrozenRedis(rig, { timings: 'usual', frozenMs: 90_000 });
    },
    240_000,
  );
});

type Rig = Awaited<ReturnType<typeof startRig>>;

async function playFrozenWorker(rig: Rig, { timings = 'quick', frozenMs = 0 } = {}): Promise<void> {
  const session = await rig.account();
  await using relay = await startRedisRelay(rig.redis.port);
  const environment = { TEST_TIMINGS: timings };
  await using sleeper = await rig.worker({ ...environment, REDIS_URL: relay.url });
  const frozen = relay.once({ command: beginSend, at: 'reply', act: () => sleeper.kill('SIGSTOP') });
  const asked = await ask(session);
  await frozen;
  const awake = pass(frozenMs);
  await using _other = await rig.worker(environment);
  expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 2 });
  await awake;
  // What a worker that finds itself too late writes down: nothing was sent.
  const noticed = relay.once({ command: '"to":"ready"', at: 'reply' });
  sleeper.kill('SIGCONT');
  await noticed;
  expect(rig.requests(session, create)).toHaveLength(1);
  expect(rig.tweetsOf(session)).toHaveLength(1);
  expect(await settled(rig, await ask(session))).toMatchObject({ status: 'published' });
}

async function playFrozenRedis(
  rig: Rig,
  { timings = 'quick', frozenMs }: { timings?: string; frozenMs: number },
): Promise<void> {
  await using _one = await rig.worker({ TEST_TIMINGS: timings });
  await using _other = await rig.worker({ TEST_TIMINGS: timings });
  const session = await rig.account();
  const hold = rig.simulator.faults.hold(create, 'committed');
  const asked = await ask(session);
  await hold.reached;
  rig.redis.kill('SIGSTOP');
  hold.release();
  await pass(frozenMs);
  rig.redis.kill('SIGCONT');
  expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 1 });
  expect(rig.requests(session, create)).toHaveLength(1);
}
