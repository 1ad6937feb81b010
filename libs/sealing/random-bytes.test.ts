import { expect, it } from 'vitest';
import { randomBytes } from './random-bytes.ts';

it('no bytes come twice, whatever sizes are asked for', () => {
  const sizes = Array.from({ length: 3000 }, (_, index) => 12 + (index % 3) * 4);
  const drawn = sizes.map((size) => randomBytes(size));
  expect(drawn.map((bytes) => bytes.length)).toEqual(sizes);
  expect(new Set(drawn.map((bytes) => bytes.toString('hex', 0, 12))).size).toBe(sizes.length);
  expect(randomBytes(10_000).every((byte) => byte === 0)).toBe(false);
});

it('what was handed out stays as it was', () => {
  const first = randomBytes(16);
  const before = first.toString('hex');
  for (let index = 0; index < 1000; index++) randomBytes(16);
  expect(first.toString('hex')).toBe(before);
});
