import { formatOf, headBytes } from './detect-format.ts';
import { blankWithin, findMetadata, headerBytesOf, isMetadataInFile, parseHeader } from './mp4-metadata.ts';
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
    await pass(bytes);
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
      // A file that was cut off: what was kept of it, as it is.
      if (heldBytes > 0) await pass(Buffer.concat(held));
      await sink.end();
    },
  };
}
