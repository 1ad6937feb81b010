import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createXApi } from '#libs/x-api/client.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate } from './gate.ts';
import { callX } from './x-call.ts';

const { redis } = await useOwnRedis();

const errand = { jobId: 'job', accountId: '7', endpoint: 'media_status' } as const;
const vault = {
  accessToken: async () => 'token',
  replaySpool: async () => 0,
  leave: () => {},
  [Symbol.asyncDispose]: async () => {},
};
const deps = () => ({ vault, gate: createGate({ redis }), calls: { tell: () => {} } });
/** Three calls are left. */
const threeLeft = () =>
  createGate({ redis }).learn('7', {
    ...{
      endpoint: 'media_status',
      status: 200,
      at: Date.now(),
      durationMs: 1,
      date: null,
      transactionId: null,
    },
    rateLimits: [{ scope: 'user', limit: 100, remaining: 3, resetAt: Date.now() + 60_000 }],
  });
const left = async () => Number(await redis.hget('gate:7:media_status', 'remaining'));

/** Something that takes requests and never answers, and how to reach it. */
async function startSilence() {
  const silent = createServer(() => silent.emit('asked'));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const x = createXApi({ apiUrl: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` });
  return {
    x,
    asked: () => once(silent, 'asked'),
    async [Symbol.asyncDispose]() {
      await x[Symbol.asyncDispose]();
      silent.closeAllConnections();
      silent.close();
    },
  };
}

it('a call that was broken off from here says nothing about X', async () => {
  await using silence = await startSilence();
  for (let turn = 0; turn < 8; turn++) {
    const stop = new AbortController();
    const asked = silence.asked();
    const calling = callX(deps(), { ...errand, signal: stop.signal }, (call) =>
      silence.x.mediaStatus('1', call),
    );
    await Promise.race([asked, calling]);
    stop.abort(new Error('the worker stops'));
    await expect(calling).rejects.toThrow('the worker stops');
  }
  expect(await createGate({ redis }).take('7', 'media_status')).toMatchObject({ open: true });
});

it('a call that did not leave is put back, one that X may have seen is not', async () => {
  await threeLeft();
  await using nobody = createXApi({ apiUrl: 'http://127.0.0.1:1' });
  await expect(callX(deps(), errand, (call) => nobody.mediaStatus('1', call))).rejects.toThrow();
  await expect(
    callX(deps(), errand, async () => Promise.reject(new Error('a bug before the call'))),
  ).rejects.toThrow();
  expect(await left()).toBe(3);
  await using silence = await startSilence();
  const stop = new AbortController();
  const asked = silence.asked();
  const calling = callX(deps(), { ...errand, signal: stop.signal }, (call) =>
    silence.x.mediaStatus('1', call),
  );
  await asked;
  stop.abort(new Error('the worker stops'));
  await expect(calling).rejects.toThrow('the worker stops');
  expect(await left()).toBe(2);
});
