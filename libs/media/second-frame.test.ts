import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hasSecondFrame } from './second-frame.ts';
import { animation, handmadeGif } from './test-animations.ts';

async function judge(bytes: Uint8Array, format: 'gif' | 'webp') {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'frames-'));
  const file = join(folder.path, 'a');
  await writeFile(file, bytes);
  return await hasSecondFrame(file, format);
}

it.each(['gif', 'webp'] as const)(
  'a %s of two frames has a second one, a still one does not',
  async (format) => {
    const size = { width: 40, height: 30, format };
    expect(await judge(await animation({ ...size, frames: 1 }), format)).toBe(false);
    expect(await judge(await animation({ ...size, frames: 2 }), format)).toBe(true);
    const large = { width: 400, height: 300, format, grain: true };
    expect(await judge(await animation({ ...large, frames: 1 }), format)).toBe(false);
    expect(await judge(await animation({ ...large, frames: 3 }), format)).toBe(true);
  },
);

it('comments, and what stands behind the end of a GIF, are no frames', async () => {
  const comment = Buffer.from([0x21, 0xfe, 6, ...Buffer.from('canary'), 0]);
  const tail = Buffer.concat([Buffer.from([0x3b]), handmadeGif({ frames: 3 })]);
  expect(await judge(handmadeGif({ extra: comment, tail }), 'gif')).toBe(false);
  expect(await judge(handmadeGif({ extra: comment, frames: 2 }), 'gif')).toBe(true);
});

it('whatever the bytes are, there is an answer', async () => {
  const whole = handmadeGif({ frames: 2 });
  for (let length = 0; length < whole.length; length += 1)
    expect(typeof (await judge(whole.subarray(0, length), 'gif'))).toBe('boolean');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      for (const format of ['gif', 'webp'] as const)
        expect(typeof (await judge(bytes, format))).toBe('boolean');
    }),
    { numRuns: 50 },
  );
});
