import { expect, it } from 'vitest';
import { giveBack } from './used-pieces.ts';

const pieceBytes = 64 * 1024;

it('a piece that is all of its buffer is gone at once', () => {
  const piece = new Uint8Array(pieceBytes);
  giveBack(piece);
  expect(piece.length).toBe(0);
});

it('what others may see as well stays, and does not pile up once nobody does', () => {
  const shared = new Uint8Array(2 * pieceBytes).fill(7);
  giveBack(shared.subarray(pieceBytes));
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let turn = 0; turn < 2000; turn++) {
    giveBack(new Uint8Array(pieceBytes + 8).fill(turn).subarray(8));
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(32 * 1024 * 1024);
  expect(shared).toEqual(new Uint8Array(2 * pieceBytes).fill(7));
  expect('gc' in globalThis).toBe(false);
});
