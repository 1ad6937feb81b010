import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { GifRenderTask } from './image-task.ts';
import { renderGif } from './render-gif.ts';
import { animation } from './test-animations.ts';

async function render(bytes: Buffer, task: Partial<GifRenderTask>, cpuMs?: () => number) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'render-gif-'));
  const [file, output] = [join(folder.path, 'in'), join(folder.path, 'out')];
  await writeFile(file, bytes);
  const usual = { act: 'renderGif', format: 'gif', maxPixels: 1e9, maxBytes: 1e9, keepEvery: 1 } as const;
  const sizes = { width: 100, height: 80, frames: 64, maxCpuMs: 10_000 };
  const rendered = await renderGif({ ...usual, ...sizes, ...task, file, output }, cpuMs);
  return { rendered, metadata: await sharp(await readFile(output), { pages: -1 }).metadata() };
}

describe('renderGif', () => {
  it('makes it smaller where its first frames say that it would take too long', async () => {
    const bytes = await animation({ width: 120, height: 96, frames: 64 });
    // 10 ms for 8 of 64 frames: 80 in all, where 50 are to be spent.
    const clock = [0, 10];
    const { rendered } = await render(bytes, { maxCpuMs: 100 }, () => clock.shift() ?? 10);
    expect(rendered).toMatchObject({ width: 79, height: 63, frames: 64 });
    const calm = await render(bytes, { maxCpuMs: 100 }, () => 0);
    expect(calm.rendered).toMatchObject({ width: 100, height: 80, frames: 64 });
  });

  it('leaves frames out of more than fit into memory at once, each shown for the time of those it stands for', async () => {
    const frames = 2_500;
    const bytes = manyFrames(200, frames);
    const { rendered, metadata } = await render(bytes, { width: 200, height: 200, frames, keepEvery: 8 });
    expect(rendered.frames).toBe(Math.ceil(frames / 8));
    const delays = Array.from({ length: frames }, (_, frame) => 10 * (2 + (frame % 7)));
    const kept = Array.from({ length: rendered.frames }, (_, index) =>
      delays.slice(index * 8, index * 8 + 8).reduce((sum, delay) => sum + delay, 0),
    );
    // Equal frames become one; their time stays.
    expect(metadata.delay?.reduce((sum, delay) => sum + delay, 0)).toBe(
      kept.reduce((sum, delay) => sum + delay, 0),
    );
  });
});

/** A GIF of one dot that walks along its first row, each frame shown for its own time. */
function manyFrames(side: number, frames: number): Buffer {
  const u16 = (value: number) => [value & 0xff, value >> 8];
  const head = [...Buffer.from('GIF89a'), ...u16(side), ...u16(side), 0x80, 0, 0, 0, 0, 0, 255, 255, 255];
  const body = Array.from({ length: frames }, (_, frame) => [
    ...[0x21, 0xf9, 4, 0, 2 + (frame % 7), 0, 0, 0],
    ...[0x2c, ...u16(frame % side), 0, 0, ...u16(1), ...u16(1), 0, 2, 2, 0x4c, 0x01, 0],
  ]);
  return Buffer.from([...head, ...body.flat(), 0x3b]);
}
