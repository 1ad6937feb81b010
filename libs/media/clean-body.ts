import { formatOf, headBytes } from './detect-format.ts';
import { blankWithin, findMetadata, headerBytesOf, isMetadataInFile, parseHeader } from './mp4-metadata.ts';

/** The tables of a film of minutes have a few hundred kB; those of hours are cleaned on disk, when all is there. */
const mostTableBytes = 4 * 1024 * 1024;

/**
 * A body as it comes in, the metadata of an MP4 or MOV in it blanked: what is written, hashed and sent on carries none,
 * and not a byte moves. Anything else passes unchanged. `onRemoved` hears when there was something.
 */
export async function* cleanBody(
  body: AsyncIterable<Uint8Array>,
  onRemoved: () => void,
): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    const head = await takeHead(pieces);
    const found = await formatOf(head);
    const isVideo = 'format' in found && (found.format === 'mp4' || found.format === 'mov');
    const clean = isVideo ? createCleaner(onRemoved) : null;
    for (let piece: Uint8Array | undefined = head; piece; piece = await nextOf(pieces))
      if (clean) yield* clean.pass(piece);
      else yield piece;
    if (clean) yield* clean.rest();
  } finally {
    await pieces.return?.();
  }
}

async function nextOf(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const { done, value } = await pieces.next();
  return done ? undefined : value;
}

async function takeHead(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  const taken: Uint8Array[] = [];
  for (let bytes = 0; bytes < headBytes; ) {
    const piece = await nextOf(pieces);
    if (!piece) break;
    taken.push(piece);
    bytes += piece.length;
  }
  return taken.length === 1 && taken[0] ? taken[0] : Buffer.concat(taken);
}

/** Follows the boxes of a file while it comes in. */
function createCleaner(onRemoved: () => void) {
  /** Of the box that is being passed: bytes still to come, and whether they are blanked. */
  let current = { left: 0, isBlank: false };
  /** Bytes that are kept until it shows what they are: a header, or the tables as a whole. */
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted = 8;

  function* take(bytes: Buffer): Generator<Uint8Array> {
    held = [];
    heldBytes = 0;
    wanted = 8;
    yield bytes;
  }
  async function* decide(): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.concat(held);
    const box = parseHeader(bytes, 0);
    if (!box && headerBytesOf(bytes) > bytes.length) {
      wanted = 16;
      return;
    }
    if (box?.type === 'moov' && box.end <= mostTableBytes && bytes.length < box.end) {
      wanted = box.end;
      return;
    }
    if (box?.type === 'moov' && bytes.length === box.end) {
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const blanks = await findMetadata(read, 0, bytes.length);
      for (const blank of blanks) blankWithin(bytes, 0, blank);
      if (blanks.length > 0) onRemoved();
    } else {
      // A box without an end, or one that cannot be, is the last: whatever follows is its content.
      const left = box ? box.end - bytes.length : Number.POSITIVE_INFINITY;
      current = { left, isBlank: box !== null && isMetadataInFile(box.type) };
      if (box && current.isBlank) {
        blankWithin(bytes, 0, box);
        onRemoved();
      }
    }
    yield* take(bytes);
  }
  return {
    async *pass(piece: Uint8Array): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < piece.length; ) {
        const length = Math.min(piece.length - at, current.left || wanted - heldBytes);
        const part = piece.subarray(at, at + length);
        at += length;
        if (current.left > 0) {
          current.left -= length;
          yield current.isBlank ? Buffer.alloc(length) : part;
          continue;
        }
        held.push(Buffer.from(part));
        heldBytes += length;
        if (heldBytes === wanted) yield* decide();
      }
    },
    /** A file that was cut off: what was kept of it, as it is. */
    *rest(): Generator<Uint8Array> {
      if (heldBytes > 0) yield* take(Buffer.concat(held));
    },
  };
}
