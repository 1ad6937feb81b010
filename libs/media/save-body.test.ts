import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createBlockPool } from './blocks.ts';
import { createFileWriter } from './file-writer.ts';
import { saveBody } from './save-body.ts';
import { countFree } from './test-blocks.ts';
import { bringAll } from './test-sink.ts';

it('a download gives back its memory also when whoever follows it fails', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'save-body-'));
  await using writer = createFileWriter();
  const blocks = createBlockPool({ receiving: 2, sending: 1 });
  const came = () => {
    throw new Error('a follower failed');
  };
  const arrivals = { began() {}, came, written() {} };
  const destination = { file: join(folder.path, 'file'), room: undefined, admittedBytes: 0, usedBytes: 0 };
  const { signal } = new AbortController();
  const saving = { destination, blocks, writer, signal, arrivals, onPiece() {} };
  await expect(saveBody(10, saving, (sink) => bringAll([Buffer.alloc(10)], sink))).rejects.toThrow(
    'a follower failed',
  );
  expect(await countFree(blocks)).toEqual({ receiving: 2, sending: 1 });
});
