import { appendFile, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { createBlockPool } from '#libs/media/blocks.ts';
import { createFileWriter } from '#libs/media/file-writer.ts';
import { saveBody } from '#libs/media/save-body.ts';
import { countFree } from '#libs/media/test-blocks.ts';
import { bringAll } from '#libs/media/test-sink.ts';
import { XAnswerError, XUnreachableError } from '#libs/x-api/errors.ts';
import type { XCall, XEndpoint } from '#libs/x-api/x-api.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createEarlyUpload } from './early-upload.ts';
import { createGate } from './gate.ts';

const { redis } = await useOwnRedis();
const writer = createFileWriter();
afterAll(() => writer[Symbol.asyncDispose]());

const mebibyte = 1024 * 1024;
/** What begins as an MP4 does: nobody looks further while it comes in. */
const file = Buffer.alloc(13 * mebibyte);
file.write('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1');

const answer = (status: number) =>
  new XAnswerError({
    ...{ status, title: '', detail: '', type: '', code: null, oauthError: null, messages: [] },
    ...{ rateLimits: [], retryAfterMs: null, date: null, transactionId: null },
  });
const failures = {
  taken: null,
  refused: answer(400),
  'in trouble': answer(503),
  'not signed in': answer(401),
  unreachable: new XUnreachableError('refused', { sent: false }),
  'cut off': new XUnreachableError('reset', { sent: true }),
};
type Reply = keyof typeof failures;
const exchange = (endpoint: XEndpoint, status: number | null) => ({
  ...{ endpoint, status, at: Date.now(), durationMs: 1, rateLimits: [], date: null, transactionId: null },
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

interface Play {
  /** Mebibytes after which each try breaks off; more than the file has: it comes whole. */
  readonly tries: readonly number[];
  /** What becomes of each call to X, and how long it takes. */
  readonly replies: readonly (readonly [Reply, number])[];
  /** At which call to X the worker is stopped; 0: never. */
  readonly stopAt: number;
  readonly segmentBytes: number;
  readonly sending: number;
}

/** Plays a download with an upload beside it. Resolves to what is free after it, and to the calls that reached X. */
async function play({ tries, replies, stopAt, segmentBytes, sending }: Play) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'early-upload-'));
  const path = join(folder.path, 'file');
  await appendFile(path, '');
  const blocks = createBlockPool({ receiving: 3, sending });
  const stop = new AbortController();
  let calls = 0;
  let appended = 0;
  const act = async (endpoint: XEndpoint, { signal, observe }: XCall) => {
    calls += 1;
    if (calls === stopAt) stop.abort(new Error('the worker stops'));
    signal?.throwIfAborted();
    const [reply, took] =
      (endpoint === 'append' && replies[calls % replies.length]) || (['taken', 1] as const);
    await turns(took);
    const failure = failures[reply];
    if (endpoint === 'append' && reply !== 'unreachable') appended += 1;
    const status = failure instanceof XAnswerError ? failure.status : failure ? null : 200;
    observe?.(exchange(endpoint, status));
    if (failure) throw failure;
  };
  const x = {
    initializeUpload: async (_media: unknown, call: XCall) => {
      await act('initialize', call);
      return { mediaId: '9', mediaKey: '7_9', expiresAt: null };
    },
    appendSegment: (_id: string, _index: number, _bytes: Uint8Array, call: XCall) => act('append', call),
  };
  const vault = {
    accessToken: async () => 't',
    replaySpool: async () => 0,
    leave: () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const deps = {
    x,
    vault,
    blocks,
    gate: createGate({ redis }),
    counts: { add() {}, time() {} },
    calls: { tell() {} },
  };
  const run = { jobId: 'job', accountId: '7', signal: stop.signal, item: { segmentBytes } };
  const upload = createEarlyUpload(deps, run, path);
  for (const breaksOff of tries) {
    const destination = { file: path, room: undefined, admittedBytes: 0, usedBytes: 0 };
    const about = { onPiece() {}, signal: stop.signal, arrivals: upload.arrivals };
    const saving = { destination, blocks, writer, ...about };
    await saveBody(file.length, saving, (sink) => bringAll(body(breaksOff), sink)).catch(() => {});
  }
  await upload.abandon();
  return { free: await countFree(blocks), appended };
}

async function* body(breaksOff: number) {
  for (let at = 0; at < file.length; at += mebibyte) {
    if (at === breaksOff * mebibyte) throw new Error('the download broke off');
    yield file.subarray(at, at + mebibyte);
    await turns(8);
  }
}

/** A window with room for all calls of a test, so that what it counts shows those that were made. */
const most = 1000;
const openWindow = () =>
  createGate({ redis }).learn('7', {
    ...exchange('append', 200),
    rateLimits: [{ scope: 'user', limit: most, remaining: most, resetAt: Date.now() + 3_600_000 }],
  });
const counted = async () => most - Number(await redis.hget('gate:7:append', 'remaining'));

it('an upload beside a download gives back all memory and all calls that it did not make, however both end', async () => {
  const reply = fc.tuple(
    fc.constantFrom<Reply>('taken', 'taken', 'taken', 'taken', ...(Object.keys(failures) as Reply[])),
    fc.nat({ max: 30 }),
  );
  const played = fc.record<Play>({
    tries: fc.array(fc.integer({ min: 1, max: 14 }), { minLength: 1, maxLength: 3 }),
    replies: fc.array(reply, { minLength: 1, maxLength: 12 }),
    stopAt: fc.nat({ max: 20 }),
    segmentBytes: fc.constantFrom(mebibyte / 2, mebibyte, 3 * mebibyte, 4 * mebibyte),
    sending: fc.integer({ min: 1, max: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(played, async (one) => {
      await redis.flushall();
      await openWindow();
      const { free, appended } = await play(one);
      expect(free).toEqual({ receiving: 3, sending: one.sending });
      expect(await counted()).toBe(appended);
    }),
    { numRuns: 60 },
  );
});
