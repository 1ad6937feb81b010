import { expect, it } from 'vitest';
import { createYoungCollector } from './young-garbage.ts';

it('used buffers do not pile up', () => {
  const collect = createYoungCollector();
  const pieceBytes = 64 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let piece = 0; piece < 2000; piece++) {
    new Uint8Array(pieceBytes).fill(piece);
    collect(pieceBytes);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(32 * 1024 * 1024);
  expect('gc' in globalThis).toBe(false);
});
