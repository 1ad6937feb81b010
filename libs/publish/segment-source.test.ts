import { appendFile, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, blockBytes, createBlockPool } from '#libs/media/blocks.ts';
import { countFree } from '#libs/media/test-blocks.ts';
import { createArrivingSource } from './segment-source.ts';

const never = new AbortController().signal;
const halfBlock = blockBytes / 2;

/** Bytes that tell where they belong. */
const whole = Buffer.alloc(3 * blockBytes);
for (let at = 0; at < whole.length; at += 4096) whole.writeUInt32LE(at + 1, at);

describe('the segments of a file that is coming in', () => {
  it('are what is in the file, whether they are asked for before, while or after they come', async () => {
    const askedAfter = fc.array(fc.nat({ max: 8 }), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(askedAfter, fc.integer({ min: 1, max: 3 }), async (steps, sending) => {
        await using folder = await mkdtempDisposable(join(tmpdir(), 'segment-source-'));
        const path = join(folder.path, 'file');
        await appendFile(path, '');
        const blocks = createBlockPool({ receiving: 2, sending });
        await using source = createArrivingSource(path, blocks);
        const wrong: number[] = [];
        const read = async (index: number) => {
          const start = index * halfBlock;
          using segment = await source.read(start, start + halfBlock, never);
          if (whole.compare(segment.bytes, 0, halfBlock, start, start + halfBlock) !== 0) wrong.push(index);
        };
        const reads: Promise<void>[] = [];
        const ask = (step: number) => {
          for (const [index, after] of steps.entries()) if (after === step) reads.push(read(index));
        };
        for (let position = 0, step = 0; position < 3 * blockBytes; position += blockBytes) {
          ask(step++);
          using block: Block = await blocks.receive();
          block.bytes.set(whole.subarray(position, position + blockBytes));
          source.came(block, position, blockBytes);
          ask(step++);
          await appendFile(path, block.bytes);
          source.written(position + blockBytes);
        }
        for (let step = 6; step <= 8; step++) ask(step);
        await Promise.all(reads);
        expect(wrong).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });

  it('are not waited for once the upload is given up', async () => {
    await using source = createArrivingSource('/nowhere', createBlockPool());
    const stop = new AbortController();
    const reading = source.read(0, 1, stop.signal);
    stop.abort(new Error('canceled'));
    await expect(reading).rejects.toThrow('canceled');
  });

  it('are lent to nobody who has given up: the memory is there for others', async () => {
    const blocks = createBlockPool({ receiving: 1, sending: 2 });
    await using source = createArrivingSource('/nowhere', blocks);
    const stop = new AbortController();
    const reading = source.read(0, halfBlock, stop.signal);
    stop.abort(new Error('the download began anew'));
    await expect(reading).rejects.toThrow('began anew');
    {
      using block = await blocks.receive();
      source.came(block, 0, blockBytes);
    }
    expect(await countFree(blocks)).toEqual({ receiving: 1, sending: 2 });
  });
});
