import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { BrokenBodyError, bringBody } from './bring-body.ts';
import type { Sink } from './sink.ts';

const pieceBytes = 64 * 1024;

/** A sink that does `act` with each piece and says in which order it was asked. */
function sinkOf(act: (piece: Uint8Array) => Promise<void> | undefined) {
  const asked: string[] = [];
  const sink: Sink = {
    write(piece) {
      asked.push(`write ${piece[0]}`);
      return act(piece);
    },
    async end() {
      asked.push('end');
    },
  };
  return { sink, asked };
}

const pieces = (count: number) =>
  Array.from({ length: count }, (_, at) => new Uint8Array(pieceBytes).fill(at));
const bodyOf = (from: Iterable<Uint8Array>) => Readable.from(from, { objectMode: false });

it('brings one piece after another, also to a sink that has to wait, and then the end', async () => {
  const { sink, asked } = sinkOf((piece) => (piece[0] === 1 ? nextTurn().then(() => {}) : undefined));
  await bringBody(bodyOf(pieces(4)), sink);
  expect(asked).toEqual(['write 0', 'write 1', 'write 2', 'write 3', 'end']);
});

it('stays a bounded way ahead of a sink that waits', async () => {
  const letGo = Promise.withResolvers<void>();
  let given = 0;
  function* endless() {
    for (; given < 1000; given += 1) yield new Uint8Array(pieceBytes);
  }
  const bringing = bringBody(bodyOf(endless()), { write: () => letGo.promise, end: async () => {} });
  for (let turn = 0; turn < 100; turn += 1) await nextTurn();
  expect(given).toBeLessThan(20);
  letGo.resolve();
  await bringing;
  expect(given).toBe(1000);
});

it('gives the memory of a piece back when the next one comes, but not what others may see too', async () => {
  const whole = pieces(5);
  const large = new Uint8Array(2 * pieceBytes);
  const parts = [large.subarray(0, pieceBytes), large.subarray(pieceBytes)];
  let isHere = true;
  const { sink } = sinkOf((piece) => {
    isHere &&= !(piece.buffer as ArrayBuffer).detached;
    return piece[0] === 2 ? nextTurn().then(() => {}) : undefined;
  });
  await bringBody(bodyOf([...whole, ...parts]), sink);
  expect(isHere).toBe(true);
  expect(whole.map(({ buffer }) => buffer.detached)).toEqual([true, true, true, true, true]);
  expect(large.buffer.detached).toBe(false);
});

it.each([
  ['throws', () => bad()],
  ['rejects', async () => bad()],
])('ends with the error of a sink that %s, and leaves the body', async (_how, fail) => {
  const body = bodyOf(pieces(3));
  const { sink, asked } = sinkOf((piece) => (piece[0] === 1 ? fail() : undefined));
  await expect(bringBody(body, sink)).rejects.toThrow('no room');
  expect(asked).toEqual(['write 0', 'write 1']);
  expect(body.destroyed).toBe(true);
});

function bad(): never {
  throw new Error('no room');
}

it('says that the body broke off, and not before the sink has let go of the last piece', async () => {
  const body = new PassThrough();
  const letGo = Promise.withResolvers<void>();
  const { sink, asked } = sinkOf(() => letGo.promise);
  let isOver = false;
  const bringing = bringBody(body, sink).finally(() => {
    isOver = true;
  });
  bringing.catch(() => {});
  body.write(new Uint8Array(1));
  await nextTurn();
  const cause = new Error('the host went away');
  body.destroy(cause);
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  expect(isOver).toBe(false);
  letGo.resolve();
  await expect(bringing).rejects.toThrow(BrokenBodyError);
  await expect(bringing).rejects.toMatchObject({ cause });
  expect(asked).toEqual(['write 0']);
});
