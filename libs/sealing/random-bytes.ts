import { randomFillSync } from 'node:crypto';

let pool = Buffer.alloc(0);
let used = 0;

/**
 * Cryptographically strong random bytes, drawn from the system some kilobytes at a time: a call of its own for each
 * few of them takes ten times as long. No byte is handed out twice.
 */
export function randomBytes(size: number): Buffer {
  if (used + size > pool.length) {
    pool = randomFillSync(Buffer.alloc(Math.max(4096, size)));
    used = 0;
  }
  used += size;
  return pool.subarray(used - size, used);
}
