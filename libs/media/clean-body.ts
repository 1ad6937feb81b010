import { formatOf, headBytes } from './detect-format.ts';
import { type Blank, blankWithin, findMetadata, headerBytesOf, judgePart } from './mp4-metadata.ts';
import { byHead, type Sink } from './sink.ts';

/** The tables of a film of minutes have a few hundred kB; those of hours are cleaned on disk, when all is there. */
const mostTableBytes = 4 * 1024 * 1024;

/**
 * Blanks the metadata of an MP4 or MOV while it comes in: what the sink gets carries none, and not a byte moves.
 * Anything else passes unchanged. `onRemoved` hears when there was something.
 */
export function cleaning(sink: Sink, onRemoved: () => void): Sink {
  return byHead(headBytes, async (head) => {
    const found = await formatOf(head);
    const isVideo = 'format' in found && (found.format === 'mp4' || found.format === 'mov');
    return isVideo ? createCleaner(sink, onRemoved) : sink;
  });
}

/** Follows the boxes of a file while it comes in. */
function createCleaner(sink: Sink, onRemoved: () => void): Sink {
  /** Of the box that is being passed: bytes still to come, and whether they are blanked. */
  let current = { left: 0, isBlank: false };
  /** Bytes that are kept until it shows what they are: a header, or the tables as a whole. */
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted = 8;

  async function pass(bytes: Buffer): Promise<void> {
    held = [];
    heldBytes = 0;
    wanted = 8;
    await sink.write(bytes);
  }
  async function decide(): Promise<void> {
    const bytes = Buffer.concat(held);
    wanted = headerBytesOf(bytes);
    if (bytes.length < wanted) return;
    const { end, blank } = judgePart(bytes, 0);
    const isMovie = bytes.toString('latin1', 4, 8) === 'moov';
    if (isMovie && end <= mostTableBytes && bytes.length < end) {
      wanted = end;
      return;
    }
    if (isMovie && bytes.length === end) {
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const blanks = await findMetadata(read, 0, bytes.length);
      for (const one of blanks) blankWithin(bytes, one);
      if (blanks.length > 0) onRemoved();
    } else {
      current = { left: end - bytes.length, isBlank: blank !== null };
      if (blank) blankHeader(bytes, blank);
    }
    await pass(bytes);
  }
  function blankHeader(bytes: Buffer, blank: Blank): void {
    blankWithin(bytes, blank);
    onRemoved();
  }
  async function writeInParts(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      const length = Math.min(piece.length - at, current.left || wanted - heldBytes);
      const part = piece.subarray(at, at + length);
      at += length;
      if (current.left > 0) {
        current.left -= length;
        await sink.write(current.isBlank ? Buffer.alloc(length) : part);
        continue;
      }
      held.push(Buffer.from(part));
      heldBytes += length;
      if (heldBytes === wanted) await decide();
    }
  }
  return {
    write(piece) {
      if (piece.length > current.left || current.isBlank) return writeInParts(piece);
      // Nearly all of a film: pictures and sound, which pass as they are.
      current.left -= piece.length;
      return sink.write(piece);
    },
    async end() {
      // A file that was cut off, or has a few bytes behind its last box.
      const bytes = Buffer.concat(held);
      const { blank } = judgePart(bytes, 0);
      if (blank) blankHeader(bytes, blank);
      if (bytes.length > 0) await pass(bytes);
      await sink.end();
    },
  };
}
