import { type FileHandle, open } from 'node:fs/promises';

const windowBytes = 64 * 1024;

/**
 * Whether a GIF (GIF89a, appendix B) or WebP (its container specification) has a second frame: what has only one is a
 * picture like any other. Reads no further than that, in constant memory, and believes what the structure says: a file
 * that is damaged is found out when it is decoded.
 */
export async function hasSecondFrame(file: string, format: 'gif' | 'webp'): Promise<boolean> {
  await using handle = await open(file);
  const bytes = createBytes(handle);
  return await (format === 'gif' ? gifMoves(bytes) : webpMoves(bytes));
}

async function gifMoves(bytes: Bytes): Promise<boolean> {
  let at = 13 + colourTableBytes((await bytes.at(10)) ?? 0);
  for (let frames = 0; ; ) {
    const introducer = await bytes.at(at);
    if (introducer === 0x2c) {
      frames += 1;
      if (frames > 1) return true;
      at = await afterBlocks(bytes, at + 11 + colourTableBytes((await bytes.at(at + 9)) ?? 0));
    } else if (introducer === 0x21) at = await afterBlocks(bytes, at + 2);
    else return false;
  }
}

/** Three bytes for each colour, where there is a table. */
const colourTableBytes = (packed: number): number =>
  (packed & 0x80) === 0 ? 0 : 3 * 2 ** ((packed & 7) + 1);

/** Behind a chain of sub-blocks, which ends with an empty one. */
async function afterBlocks(bytes: Bytes, start: number): Promise<number> {
  let at = start;
  for (;;) {
    // Without waiting for each of the blocks, of which there may be millions.
    const size = bytes.loaded(at) ?? (await bytes.at(at)) ?? 0;
    at += size + 1;
    if (size === 0) return at;
  }
}

async function webpMoves(bytes: Bytes): Promise<boolean> {
  let frames = 0;
  for (let at = 12; ; ) {
    const head = await bytes.slice(at, 8);
    if (head === null) return false;
    if (head.toString('latin1', 0, 4) === 'ANMF') frames += 1;
    if (frames > 1) return true;
    const size = head.readUInt32LE(4);
    at += 8 + size + (size % 2);
  }
}

type Bytes = ReturnType<typeof createBytes>;

/** The bytes of a file by their place, a window of it at a time. */
function createBytes(handle: FileHandle) {
  const window = Buffer.alloc(windowBytes);
  let [from, length] = [0, 0];
  const load = async (position: number) => {
    const { bytesRead } = await handle.read(window, 0, windowBytes, position);
    [from, length] = [position, bytesRead];
  };
  /** Undefined where it is not in the window. */
  const loaded = (position: number): number | undefined =>
    position >= from && position < from + length ? window[position - from] : undefined;
  return {
    loaded,
    /** Undefined behind the end. */
    async at(position: number): Promise<number | undefined> {
      if (loaded(position) === undefined) await load(position);
      return loaded(position);
    },
    async slice(position: number, size: number): Promise<Buffer | null> {
      if (position < from || position + size > from + length) await load(position);
      return length < size ? null : window.subarray(position - from, position - from + size);
    },
  };
}
