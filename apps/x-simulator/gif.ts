/** The size of a GIF's canvas and how many pictures it holds; null where its blocks make no sense. */
export function measureGif(file: Buffer): { width: number; height: number; frames: number } | null {
  if (file.length < 13) return null;
  const [width, height, flags] = [file.readUInt16LE(6), file.readUInt16LE(8), file[10] ?? 0];
  let at = 13 + colorTableLength(flags);
  let frames = 0;
  while (at < file.length) {
    const block = file[at];
    if (block === 0x3b) return { width, height, frames };
    if (block === 0x21) at = skipSubBlocks(file, at + 2);
    else if (block === 0x2c) {
      frames += 1;
      at = skipSubBlocks(file, at + 10 + colorTableLength(file[at + 9] ?? 0) + 1);
    } else return null;
  }
  return null;
}

function colorTableLength(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

function skipSubBlocks(file: Buffer, from: number): number {
  let at = from;
  while (at < file.length && file[at] !== 0) at += (file[at] ?? 0) + 1;
  return at + 1;
}
