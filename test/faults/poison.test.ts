import { describe, expect, it } from 'vitest';
import { noise } from '#libs/media/test-pictures.ts';
import { connectRedis } from '#libs/redis/connect.ts';
import { type RedisRelay, startRedisRelay } from '../redis-relay.ts';
import type { TestProcess } from '../system.ts';
import { isLong } from './long.ts';
import { append, ask, create, finalize, type Rig, settled, startRig, timeline } from './rig.ts';

const picture = noise(1100, 900).png().toBuffer();

interface Place {
  readonly rig: Rig;
  readonly relay: RedisRelay;
}
/** Ends the process that works on the job, as soon as it is at the step; resolves when it has. */
type Trap = (place: Place, kill: () => void) => Promise<unknown>;

const atX =
  (endpoint: string, point: 'read' | 'committed'): Trap =>
  async ({ rig }, kill) => {
    const hold = rig.simulator.faults.hold(endpoint, point);
    await hold.reached;
    kill();
    rig.simulator.faults.remove(hold.id);
  };
const atRedis =
  (command: string, at: 'request' | 'reply'): Trap =>
  ({ relay }, kill) =>
    relay.once({ command, at, act: kill, afterwards: 'lose' });
const atMediaHost: Trap = ({ rig }, kill) =>
  new Promise<void>((resolve) => {
    rig.mediaHost.pages.set('/noise.png', () => {
      kill();
      resolve();
    });
  });

/** Kills one worker after the other at the step, three in all, and starts one more. */
async function poison({ rig, relay }: Place, trap: Trap, body: object) {
  const session = await rig.account();
  const start = () => rig.worker({ REDIS_URL: relay.url, TEST_TIMINGS: 'hasty' });
  let worker: TestProcess | null = null;
  let deaths = 0;
  let calm = false;
  const arm = () =>
    trap({ rig, relay }, () => {
      if (calm) return;
      deaths += 1;
      worker?.kill('SIGKILL');
    });
  const asked = await ask(session, body);
  await using stack = new AsyncDisposableStack();
  stack.use(await sweepSooner(rig, asked.jobId));
  let dead = arm();
  for (let round = 1; round <= 3; round++) {
    worker = await start();
    await dead;
    await worker.exited;
    dead = arm();
  }
  const last = await start();
  worker = last;
  const calmDown = () => {
    calm = true;
    rig.simulator.faults.clear();
    return deaths;
  };
  const sweeping = stack.move();
  return { session, asked, calmDown, last, [Symbol.asyncDispose]: () => sweeping.disposeAsync() };
}

// Each starts several workers, one after the other.
describe.concurrent('a worker killed again and again at the same step', { timeout: 180_000 }, () => {
  const steps: [step: string, trap: Trap, picture?: boolean][] = [
    ['while it prepares', atRedis('"stage":"preparing"', 'reply')],
    ['before it writes the intent', atRedis('"to":"sending"', 'request'), false],
  ];
  const furtherSteps: typeof steps = [
    ['while it fetches', atMediaHost],
    ['while it sends a segment', atX(append, 'read')],
    ['while X finishes the upload', atX(finalize, 'read')],
  ];
  it.each([...steps, ...(isLong ? furtherSteps : [])])(
    '%s: given up after three starts, nothing is posted, and the posts of others go on',
    async (_, trap, hasPicture = true) => {
      await using rig = await startRig();
      await using relay = await startRedisRelay(rig.redis.port);
      rig.mediaHost.files.set('/noise.png', await picture);
      const body = hasPicture ? { media_url: rig.mediaHost.url('/noise.png') } : {};
      const { asked, session, calmDown, last } = await poison({ rig, relay }, trap, body);
      await using _last = last;
      expect(await settled(rig, asked)).toMatchObject({
        status: 'failed',
        error: { code: 'internal_error' },
      });
      expect(calmDown()).toBe(3);
      expect(rig.requests(session, create)).toHaveLength(0);
      expect(await settled(rig, await ask(await rig.account()))).toMatchObject({ status: 'published' });
    },
  );

  it('after it has written the intent: never called failed, and X sees no request', async () => {
    await using rig = await startRig({ environment: { CONFIRM_AFTER_MS: '500' } });
    await using relay = await startRedisRelay(rig.redis.port);
    const session = await rig.account();
    const asked = await ask(session);
    await using _sooner = await sweepSooner(rig, asked.jobId);
    for (let round = 1; round <= 2; round++) {
      const worker = await rig.worker({ REDIS_URL: relay.url, TEST_TIMINGS: 'hasty' });
      await atRedis('"to":"sending"', 'reply')({ rig, relay }, () => worker.kill('SIGKILL'));
      await worker.exited;
    }
    await using _last = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'unconfirmed', attempts: 2 });
    expect(rig.requests(session, create)).toHaveLength(0);
  });

  it('when X has created the post, and then while it looks for it: one post, found in the end', async () => {
    await using rig = await startRig();
    await using relay = await startRedisRelay(rig.redis.port);
    const session = await rig.account();
    const asked = await ask(session);
    await using _sooner = await sweepSooner(rig, asked.jobId);
    for (const step of [atX(create, 'committed'), atX(timeline, 'read'), atX(timeline, 'read')]) {
      const worker = await rig.worker({ REDIS_URL: relay.url, TEST_TIMINGS: 'hasty' });
      await step({ rig, relay }, () => worker.kill('SIGKILL'));
      await worker.exited;
    }
    await using _last = await rig.worker();
    expect(await settled(rig, asked)).toMatchObject({ status: 'published', attempts: 1 });
    expect(rig.requests(session, create)).toHaveLength(1);
  });
});

/** Entries left behind too often are given up by the queue, and the sweeper comes within half a minute: here at once. */
async function sweepSooner(rig: Rig, jobId: string): Promise<AsyncDisposable> {
  const redis = await connectRedis(rig.redis.url, 'wait');
  const timer = setInterval(() => void redis.zadd('jobs:open', 'XX', '0', jobId).catch(() => {}), 500);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await redis[Symbol.asyncDispose]();
    },
  };
}
