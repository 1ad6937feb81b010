import { createHash, randomBytes } from 'node:crypto';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFileWriter } from './file-writer.ts';

const shared = (bytes: Uint8Array) => {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
};

async function setUp() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'file-writer-')));
  const writer = stack.use(createFileWriter());
  return { writer, folder: folder.path, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('the thread that writes files', () => {
  it('writes several files side by side, each in order, and tells their hashes', async () => {
    await using t = await setUp();
    const contents = [1, 2, 3].map((count) => Array.from({ length: count }, () => randomBytes(70_000)));
    const hashes = await Promise.all(
      contents.map(async (pieces, index) => {
        await using file = await t.writer.open(join(t.folder, String(index)));
        await Promise.all(pieces.map((piece) => file.write(shared(piece))));
        return await file.finish();
      }),
    );
    for (const [index, pieces] of contents.entries()) {
      const whole = Buffer.concat(pieces);
      expect(await readFile(join(t.folder, String(index)))).toEqual(whole);
      expect(hashes[index]).toBe(createHash('sha256').update(whole).digest('hex'));
    }
  });

  it('says what the system says when a file cannot be written, and goes on with others', async () => {
    await using t = await setUp();
    await expect(t.writer.open(join(t.folder, 'missing', 'a'))).rejects.toMatchObject({ code: 'ENOENT' });
    await using full = await t.writer.open('/dev/full');
    await expect(full.write(shared(Buffer.from('x')))).rejects.toMatchObject({ code: 'ENOSPC' });
    await using file = await t.writer.open(join(t.folder, 'a'));
    await file.write(shared(Buffer.from('x')));
    expect(await file.finish()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('leaves nobody waiting when it ends', async () => {
    await using t = await setUp();
    const file = await t.writer.open(join(t.folder, 'a'));
    const writing = file.write(shared(Buffer.alloc(64 * 1024 * 1024)));
    await t.writer[Symbol.asyncDispose]();
    await expect(writing).rejects.toThrow('ended');
    await file[Symbol.asyncDispose]();
  });
});
