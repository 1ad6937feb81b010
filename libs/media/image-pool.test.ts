import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createImagePool, type ImagePoolOptions } from './image-pool.ts';
import { noise, quarters } from './test-pictures.ts';

async function setUp(options: ImagePoolOptions = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'image-pool-')));
  const images = stack.use(createImagePool(options));
  const file = join(folder.path, 'a');
  await writeFile(file, await quarters(64, 48).png().toBuffer());
  const task = (act: 'inspect' | 'verify', path = file) =>
    ({ act, file: path, format: 'png', maxPixels: 50_000_000, pages: 1, maxStructureBytes: 0 }) as const;
  return { images, file, folder: folder.path, task, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Resolves once no such process is left. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('createImagePool', () => {
  it('uses a child again, and lets it go when there is no more work', async () => {
    await using t = await setUp({ idleMs: 50 });
    await t.images.run(t.task('inspect'));
    const [pid = 0] = t.images.pids;
    await t.images.run(t.task('verify'));
    expect(t.images.pids).toEqual([pid]);
    await gone(pid);
  });

  it('works on so many pictures at a time, the others wait', async () => {
    await using t = await setUp({ maxChildren: 2 });
    const most: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        await t.images.run(t.task('inspect'));
        most.push(t.images.pids.length);
      }),
    );
    expect(Math.max(...most)).toBe(2);
  });

  it('a child that dies costs its own task only', async () => {
    await using t = await setUp({ maxChildren: 1 });
    await t.images.run(t.task('inspect'));
    const dying = t.images.run(t.task('verify'));
    const next = t.images.run(t.task('inspect'));
    // Stopped first, so that it cannot be quicker than the signal.
    const [pid = 0] = t.images.pids;
    process.kill(pid, 'SIGSTOP');
    process.kill(pid, 'SIGKILL');
    await expect(dying).rejects.toMatchObject({ code: 'media_broken' });
    await expect(next).resolves.toMatchObject({ width: 64, height: 48 });
    expect(t.images.pids).not.toContain(pid);
  });

  it('a child that hangs is killed', async () => {
    await using t = await setUp({ taskTimeoutMs: 800 });
    await t.images.run(t.task('inspect'));
    const [pid = 0] = t.images.pids;
    process.kill(pid, 'SIGSTOP');
    await expect(t.images.run(t.task('inspect'))).rejects.toMatchObject({ code: 'media_broken' });
    await gone(pid);
    await expect(t.images.run(t.task('inspect'))).resolves.toMatchObject({ width: 64 });
  });

  it('a child that takes too much memory is killed', async () => {
    await using t = await setUp({ maxMemoryBytes: 120 * 1024 * 1024 });
    const large = join(t.folder, 'large');
    await writeFile(
      large,
      await sharp({ create: { width: 5_000, height: 5_000, channels: 4, background: 'red' } })
        .png({ progressive: true, compressionLevel: 1 })
        .toBuffer(),
    );
    await expect(t.images.run(t.task('verify', large))).rejects.toMatchObject({
      code: 'media_too_large',
      detail: /memory/,
    });
    await expect(t.images.run(t.task('inspect'))).resolves.toMatchObject({ width: 64 });
  });

  it('a caller who gives up ends the child, or leaves the line', async () => {
    await using t = await setUp({ maxChildren: 1 });
    const large = join(t.folder, 'large');
    await writeFile(large, await noise(3_000, 2_000).png({ compressionLevel: 1 }).toBuffer());
    const [first, second] = [new AbortController(), new AbortController()];
    const working = t.images.run(t.task('verify', large), first.signal);
    const waiting = t.images.run(t.task('inspect'), second.signal);
    second.abort(new Error('left the line'));
    await expect(waiting).rejects.toThrow('left the line');
    const [pid = 0] = t.images.pids;
    first.abort(new Error('canceled'));
    await expect(working).rejects.toThrow('canceled');
    await gone(pid);
  });

  it('a child sees nothing of the environment, and of files only what its task names', async () => {
    process.env.CANARY_SECRET = 'canary';
    await using t = await setUp();
    await t.images.run(t.task('inspect'));
    const { execFile } = await import('node:child_process');
    const shown = execFile('cat', [`/proc/${t.images.pids[0]}/environ`]);
    let text = '';
    shown.stdout?.on('data', (piece) => {
      text += piece;
    });
    await once(shown, 'close');
    delete process.env.CANARY_SECRET;
    expect(text).not.toContain('canary');
  });

  it('opens no decoder but the one for the format that was found', async () => {
    await using t = await setUp();
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    await writeFile(join(t.folder, 'svg'), svg);
    await writeFile(join(t.folder, 'webp'), await quarters(9, 9).webp().toBuffer());
    await writeFile(join(t.folder, 'tiff'), await quarters(9, 9).tiff().toBuffer());
    for (const name of ['svg', 'webp', 'tiff'])
      await expect(t.images.run(t.task('verify', join(t.folder, name))), name).rejects.toMatchObject({
        code: 'media_broken',
      });
  });

  it('leaves no process behind when it is closed', async () => {
    const images = createImagePool();
    const t = await setUp();
    await images.run(t.task('inspect'));
    const [pid = 0] = images.pids;
    await images[Symbol.asyncDispose]();
    expect(() => process.kill(pid, 0)).toThrow();
    await t[Symbol.asyncDispose]();
  });
});
