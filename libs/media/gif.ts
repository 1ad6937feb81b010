import { type FileHandle, open } from 'node:fs/promises';
import { DamagedMediaError } from './decode-errors.ts';
import { createKeeper, type Stretch } from './stretches.ts';

/** What the blocks of a GIF say, read without decoding a pixel. */
export interface GifHeader {
  /** The logical screen. */
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationMs: number;
  readonly bytes: number;
  /** What the animation is made of: no comments, no XMP or ICC blocks, nothing behind the end. Null: too many pieces. */
  readonly stretches: readonly Stretch[] | null;
}

const windowBytes = 256 * 1024;

/**
 * Reads the structure of a GIF (GIF89a specification, appendix B) block by block, in constant memory. The logical
 * screen is read here because libvips takes large ones for 1×1.
 * @throws {DamagedMediaError} when a block is cut off, out of place or larger than the screen
 */
export async function readGif(file: string): Promise<GifHeader> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const reader = createReader(handle);
  const head = await reader.take(13);
  if (!/^GIF8[79]a$/.test(head.toString('latin1', 0, 6))) throw damaged('no GIF');
  const [width, height] = [head.readUInt16LE(6), head.readUInt16LE(8)];
  if (width === 0 || height === 0) throw damaged('empty screen');
  reader.skip(colourTableBytes(head[10] ?? 0));
  const kept = createKeeper();
  kept.keep(0, reader.at);
  let frames = 0;
  let durationMs = 0;
  for (;;) {
    const start = reader.at;
    const introducer = (await reader.take(1))[0];
    if (introducer === 0x3b) break;
    if (introducer === 0x2c) {
      await readFrame(reader, width, height);
      frames += 1;
      kept.keep(start, reader.at);
    } else if (introducer === 0x21) {
      const { isPicture, delayMs } = await readExtension(reader);
      durationMs += delayMs;
      if (isPicture) kept.keep(start, reader.at);
    } else throw damaged(`unknown block ${introducer}`);
  }
  if (frames === 0) throw damaged('no picture');
  kept.keep(reader.at - 1, reader.at);
  return { width, height, frames, durationMs, bytes: size, stretches: kept.stretches };
}

async function readFrame(reader: Reader, width: number, height: number): Promise<void> {
  const descriptor = await reader.take(9);
  const right = descriptor.readUInt16LE(0) + descriptor.readUInt16LE(4);
  const bottom = descriptor.readUInt16LE(2) + descriptor.readUInt16LE(6);
  // Decoders disagree about such a frame: some enlarge the screen for it.
  if (right > width || bottom > height) throw damaged('frame larger than the screen');
  reader.skip(colourTableBytes(descriptor[8] ?? 0));
  await reader.take(1);
  await skipSubBlocks(reader);
}

async function readExtension(reader: Reader): Promise<{ isPicture: boolean; delayMs: number }> {
  const [label = 0, length = 0] = await reader.take(2);
  // The first of its sub-blocks may already be the empty one that ends them.
  if (length === 0) return { isPicture: false, delayMs: 0 };
  const content = await reader.take(length);
  await skipSubBlocks(reader);
  const isTiming = label === 0xf9 && length >= 4;
  const isLoop = label === 0xff && /^(NETSCAPE2\.0|ANIMEXTS1\.0)$/.test(content.toString('latin1'));
  return { isPicture: isTiming || isLoop, delayMs: isTiming ? content.readUInt16LE(1) * 10 : 0 };
}

async function skipSubBlocks(reader: Reader): Promise<void> {
  for (;;) {
    const length = (await reader.take(1))[0] ?? 0;
    if (length === 0) return;
    reader.skip(length);
  }
}

function colourTableBytes(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 0x07) + 1) : 0;
}

interface Reader {
  readonly at: number;
  take(length: number): Promise<Buffer>;
  skip(length: number): void;
}

/** Reads a file forwards through one window. */
function createReader(handle: FileHandle): Reader {
  const window = Buffer.alloc(windowBytes);
  let [start, length, at] = [0, 0, 0];
  return {
    get at() {
      return at;
    },
    async take(wanted) {
      if (at < start || at + wanted > start + length) {
        start = at;
        length = (await handle.read(window, 0, windowBytes, at)).bytesRead;
        if (length < wanted) throw damaged('cut off');
      }
      const taken = Buffer.from(window.subarray(at - start, at - start + wanted));
      at += wanted;
      return taken;
    },
    skip(count) {
      at += count;
    },
  };
}

function damaged(reason: string): DamagedMediaError {
  return new DamagedMediaError(`GIF: ${reason}`);
}
