/** Gives the bytes of a file (or of a part of one) from `offset` on; fewer than `length` at its end. */
export type ReadBytes = (offset: number, length: number) => Promise<Buffer>;

/** A stretch of a file that becomes zeros: from `from` up to, not including, `end`. */
export interface Blank {
  readonly from: number;
  readonly end: number;
  /** Where `free` is written, the type of a box that says nothing; null where no type changes. */
  readonly nameAt: number | null;
}

/** The header of a box (ISO/IEC 14496-12, 4.2). */
export interface Box {
  readonly type: string;
  readonly offset: number;
  readonly headerBytes: number;
  readonly end: number;
}

const empty = ['free', 'skip', 'wide'];
const inFile = [
  ...['ftyp', 'styp', 'pdin', 'moov', 'moof', 'mdat', 'imda', 'mfra', 'sidx', 'ssix'],
  ...empty,
];
const inMovie = ['mvhd', 'trak', 'mvex', 'iods', 'pssh', 'cmov', 'rmra', 'clip', 'ctab', 'prfl'];
const inTrack = [
  ...['tkhd', 'tref', 'edts', 'mdia', 'load', 'txas', 'imap', 'trgr'],
  ...['clip', 'matt', 'prfl', 'tapt', 'kmat', 'crgn'],
];
const metadataInMedia = ['uuid', 'meta', 'udta'];
/** What a track holds; `meta` and `camm` are positions, faces, camera settings, frame by frame. */
const metadataHandlers = ['meta', 'camm'];
/** Names of the program that wrote the file. */
const encoderNames = ['©too', '©swr', '©enc'];
/** What such programs call every track. */
const usualTrackNames =
  /^.?(?:(?:Apple |GPAC ISO |L-SMASH |Mainconcept )?(?:Video|Sound|Audio) ?(?:Media )?Handler?|Core Media (?:Video|Audio))$/is;

/** More than any real file has in these places. */
const mostBoxes = 10_000;
const mostHarmlessBytes = 4096;
const mostNameBytes = 64;
/** Text that is taken for a header claims at least this: four blanks. */
const leastTextBytes = 0x20202020;

/**
 * What lies directly in a file where a header should be, by its first bytes (16, fewer at the end of the file): how far
 * it goes, and what of it goes. Bytes that are no box are the last thing in a file.
 */
export function judgePart(
  header: Buffer,
  offset: number,
): { readonly end: number; readonly blank: Blank | null } {
  const box = parseHeader(header, offset);
  const type = header.toString('latin1', 4, 8);
  // Where it does not say its end, what follows is its content.
  if (inFile.includes(type)) return { end: box?.end ?? Number.POSITIVE_INFINITY, blank: null };
  if (box && /^[\x20-\x7e\xa9]{4}$/.test(type) && box.end - offset < leastTextBytes)
    return { end: box.end, blank: blankOf(box) };
  const end = Number.POSITIVE_INFINITY;
  if (header.length >= 8) return { end, blank: { from: offset, end, nameAt: offset + 4 } };
  const isBlank = header.every((byte) => byte === 0);
  return { end, blank: isBlank ? null : { from: offset, end, nameAt: null } };
}

/**
 * Finds the metadata of an MP4 or MOV between `start` and `end`: what may lie in a file beside the pictures and the
 * sound (positions, names, dates, XMP, the maker's own), and which a player skips. In a movie and its tracks everything
 * stays that the specifications need for playing, turned as it is turned; what they do not know goes. A name of the
 * writing program alone is left alone. Beside the movie it is the same, up to the end of the file: nothing hangs on there
 * that is no box. Boxes that lie about their size end the search where they are.
 */
export async function findMetadata(read: ReadBytes, start: number, end: number): Promise<readonly Blank[]> {
  const found: Blank[] = [];
  const budget = { left: mostBoxes };
  for (let at = start; at < end && budget.left > 0; budget.left -= 1) {
    const header = await read(at, Math.min(16, end - at));
    const part = judgePart(header, at);
    const box = parseHeader(header, at);
    if (box?.type === 'moov' && box.end <= end) await searchMovie(read, box, budget, found);
    // What goes on past the end of the file is cut off there.
    if (part.blank) found.push({ ...part.blank, end: Math.min(part.end, end) });
    at = part.end;
  }
  return found;
}

async function searchMovie(read: ReadBytes, movie: Box, budget: Budget, found: Blank[]): Promise<void> {
  for await (const box of boxesIn(read, movie.offset + movie.headerBytes, movie.end, budget)) {
    if (box.type === 'trak') await searchTrack(read, box, budget, found);
    else if (await isForeign(read, box, inMovie)) found.push(blankOf(box));
  }
}

async function searchTrack(read: ReadBytes, track: Box, budget: Budget, found: Blank[]): Promise<void> {
  const inIt: Blank[] = [];
  for await (const box of boxesIn(read, track.offset + track.headerBytes, track.end, budget)) {
    if (await isForeign(read, box, inTrack)) inIt.push(blankOf(box));
    if (box.type !== 'mdia') continue;
    for await (const part of boxesIn(read, box.offset + box.headerBytes, box.end, budget)) {
      if (metadataInMedia.includes(part.type)) inIt.push(blankOf(part));
      if (part.type !== 'hdlr') continue;
      const handler = await read(part.offset + part.headerBytes + 8, 4);
      // Without its tables nobody finds what it holds among the pictures and the sound.
      if (metadataHandlers.includes(handler.toString('latin1'))) return void found.push(blankOf(track));
      inIt.push(...(await trackNameIn(read, part)));
    }
  }
  found.push(...inIt);
}

/** The name of a track (8.4.3; in QuickTime its length comes first), unless it only says what every track says. */
async function trackNameIn(read: ReadBytes, { offset, headerBytes, end }: Box): Promise<readonly Blank[]> {
  const from = offset + headerBytes + 24;
  if (from >= end) return [];
  const bytes = await read(from, Math.min(mostNameBytes, end - from));
  const name = bytes.toString('latin1').replaceAll('\0', '');
  const isUsual = end - from <= mostNameBytes && (name === '' || usualTrackNames.test(name));
  return isUsual ? [] : [{ from, end, nameAt: null }];
}

async function isForeign(read: ReadBytes, box: Box, known: readonly string[]): Promise<boolean> {
  if (known.includes(box.type) || empty.includes(box.type)) return false;
  return box.type !== 'udta' || !(await namesOnlyTheEncoder(read, box));
}

/** QuickTime's user data, or the iTunes list that MP4 has in its place, with nothing in it but who wrote the file. */
async function namesOnlyTheEncoder(read: ReadBytes, box: Box): Promise<boolean> {
  const start = box.offset + box.headerBytes;
  if (box.end - start > mostHarmlessBytes) return false;
  const bytes = await read(start, box.end - start);
  const readHere: ReadBytes = async (offset, length) => bytes.subarray(offset, offset + length);
  const budget = { left: mostBoxes };
  const holdsOnly = async (from: number, to: number, allowed: (part: Box) => Promise<boolean> | boolean) => {
    let at = from;
    for await (const part of boxesIn(readHere, from, to, budget)) {
      if (!empty.includes(part.type) && !(await allowed(part))) return false;
      at = part.end;
    }
    // QuickTime may end such a list with four zeros.
    return bytes.subarray(at, to).every((byte) => byte === 0) && to - at <= 4;
  };
  const isName = ({ type }: Box) => encoderNames.includes(type);
  const isList = (part: Box) =>
    part.type === 'hdlr' ||
    (part.type === 'ilst' && holdsOnly(part.offset + part.headerBytes, part.end, isName));
  // `meta` has four bytes of version and flags before what it holds.
  const isIt = (part: Box) =>
    isName(part) || (part.type === 'meta' && holdsOnly(part.offset + part.headerBytes + 4, part.end, isList));
  return await holdsOnly(0, bytes.length, isIt);
}

interface Budget {
  left: number;
}

/** The boxes that lie side by side from `start` on; ends before one that does not fit before `end`. */
export async function* boxesIn(
  read: ReadBytes,
  start: number,
  end: number,
  budget: Budget = { left: mostBoxes },
): AsyncGenerator<Box> {
  for (let at = start; at + 8 <= end && budget.left > 0; budget.left -= 1) {
    const box = parseHeader(await read(at, Math.min(16, end - at)), at);
    if (!box || box.end > end) return;
    yield box;
    at = box.end;
  }
}

/** How long the header is that begins with these eight bytes. */
export function headerBytesOf(bytes: Buffer): 8 | 16 {
  return bytes.length >= 4 && bytes.readUInt32BE(0) === 1 ? 16 : 8;
}

/** Reads a header; null where there is none, or one that cannot be: shorter than itself, or without an end. */
function parseHeader(bytes: Buffer, offset: number): Box | null {
  if (bytes.length < 8 || bytes.length < headerBytesOf(bytes)) return null;
  const headerBytes = headerBytesOf(bytes);
  const size = headerBytes === 16 ? Number(bytes.readBigUInt64BE(8)) : bytes.readUInt32BE(0);
  if (size < headerBytes || size > Number.MAX_SAFE_INTEGER - offset) return null;
  return { type: bytes.toString('latin1', 4, 8), offset, headerBytes, end: offset + size };
}

function blankOf({ offset, headerBytes, end }: Box): Blank {
  return { from: offset + headerBytes, end, nameAt: offset + 4 };
}

/** Blanks what lies in `bytes`, the beginning of a file or of one of its boxes: nothing moves. */
export function blankWithin(bytes: Buffer, { from, end, nameAt }: Blank): void {
  if (from < bytes.length) bytes.fill(0, from, Math.min(bytes.length, end));
  if (nameAt !== null) bytes.write('free', nameAt, 'latin1');
}
