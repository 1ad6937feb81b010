import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBlockPool } from './blocks.ts';
import { countFree } from './test-blocks.ts';

afterEach(() => void vi.unstubAllGlobals());

describe('the memory of media on its way', () => {
  it('is bounded: who finds none waits until some comes back', async () => {
    const pool = createBlockPool({ receiving: 1, sending: 1 });
    const first = await pool.receive();
    let came = false;
    const second = pool.receive().then((block) => {
      came = true;
      return block;
    });
    await Promise.resolve();
    expect(came).toBe(false);
    first[Symbol.dispose]();
    expect((await second).bytes === first.bytes).toBe(true);
  });

  it('is not waited for by one that gives up', async () => {
    const pool = createBlockPool({ receiving: 1 });
    using _held = await pool.receive();
    const stop = new AbortController();
    const waiting = pool.receive(stop.signal);
    stop.abort(new Error('canceled'));
    await expect(waiting).rejects.toThrow('canceled');
  });

  it('is lent to be sent for longer than the block is held, and used anew only after that', async () => {
    const pool = createBlockPool({ receiving: 1, sending: 2 });
    const block = await pool.receive();
    block.bytes.fill(7);
    const lent = block.lend(10, 20);
    block[Symbol.dispose]();
    using next = await pool.receive();
    next.bytes.fill(8);
    expect(lent?.bytes).toEqual(new Uint8Array(10).fill(7));
    lent?.[Symbol.dispose]();
    lent?.[Symbol.dispose]();
    using again = await pool.send();
    expect(again.bytes === block.bytes).toBe(true);
  });

  it('is not lent beyond what may be on its way; receiving goes on meanwhile', async () => {
    const pool = createBlockPool({ receiving: 2, sending: 1 });
    using block = await pool.receive();
    using sent = block.lend(0, 1);
    expect(sent).not.toBeNull();
    expect(block.lend(1, 2)).toBeNull();
    using other = await pool.receive();
    expect(other.bytes === block.bytes).toBe(false);
  });

  it('that the system does not give takes no place from those who ask later', async () => {
    const pool = createBlockPool({ receiving: 2, sending: 2 });
    class NoMemory {
      constructor() {
        throw new RangeError('Array buffer allocation failed');
      }
    }
    vi.stubGlobal('SharedArrayBuffer', NoMemory);
    await expect(pool.receive()).rejects.toThrow('allocation failed');
    await expect(pool.send()).rejects.toThrow('allocation failed');
    vi.unstubAllGlobals();
    expect(await countFree(pool)).toEqual({ receiving: 2, sending: 2 });
  });
});
