import { AsyncLocalStorage } from 'node:async_hooks';
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
/** A body that gives a piece at a time, from where it was made, as a connection does. */
function bodyOf(from: Iterable<Uint8Array>): Readable {
  const rest = from[Symbol.iterator]();
  const there = AsyncLocalStorage.snapshot();
  return new Readable({
    highWaterMark: 1,
    read() {
      setImmediate(() => there(() => this.push(rest.next().value ?? null)));
    },
  });
}

it('brings one piece after another, also to a sink that has to wait, and then the end', async () => {
  const { sink, asked } = sinkOf((piece) => (piece[0] === 1 ? nextTurn().then(() => {}) : undefined));
  await bringBody(bodyOf(pieces(4)), sink);
  expect(asked).toEqual(['write 0', 'write 1', 'write 2', 'write 3', 'end']);
});

it('takes nothing more while the sink has it wait', async () => {
  const letGo = Promise.withResolvers<void>();
  let given = 0;
  function* endless() {
    for (; given < 1000; given += 1) yield new Uint8Array(pieceBytes);
  }
  const bringing = bringBody(bodyOf(endless()), { write: () => letGo.promise, end: async () => {} });
  for (let turn = 0; turn < 100; turn += 1) await nextTurn();
  expect(given).toBeLessThan(5);
  letGo.resolve();
  await bringing;
  expect(given).toBe(1000);
});

it('takes all that is there at a time, however it is cut', async () => {
  const crumbs = new PassThrough();
  for (let count = 0; count < 1000; count += 1) crumbs.write(Buffer.from([count % 100]));
  crumbs.end();
  const { sink, asked } = sinkOf(() => undefined);
  await bringBody(crumbs, sink);
  expect(asked).toEqual(['write 0', 'end']);
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

it('what the sink begins belongs to who asked for the body, whoever opened the connection', async () => {
  const jobs = new AsyncLocalStorage<string>();
  const body = jobs.run('the first job on the connection', () => bodyOf(pieces(4)));
  const began = new Set<string | undefined>();
  const sink: Sink = {
    write: (piece) => {
      began.add(jobs.getStore());
      return piece[0] === 1 ? nextTurn().then(() => void began.add(jobs.getStore())) : undefined;
    },
    end: async () => void began.add(jobs.getStore()),
  };
  await jobs.run('this job', () => bringBody(body, sink));
  expect([...began]).toEqual(['this job']);
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
  body.write(new Uint8Array([1]));
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
