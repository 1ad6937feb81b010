import type { FileHandle } from 'node:fs/promises';

/** What the bytes of a file are, judged by themselves alone. */
export interface Sniffed {
  readonly mediaType: string;
  /** Pixels, where the format says them near its start. */
  readonly width: number | null;
  readonly height: number | null;
  /** Of a video, where its `mvhd` box says so. */
  readonly durationMs: number | null;
}

const startsWith = (head: Buffer, hex: string, at = 0) =>
  head.subarray(at, at + hex.length / 2).toString('hex') === hex;
const word = (head: Buffer, at: number, length = 4) => head.subarray(at, at + length).toString('latin1');

/** Recognises the formats X takes; null for anything else. */
export async function sniff(file: FileHandle, sizeBytes: number): Promise<Sniffed | null> {
  const head = await readAt(file, 0, Math.min(sizeBytes, 65_536));
  const mediaType = recognise(head);
  if (!mediaType) return null;
  const [width, height] = readSize(mediaType, head);
  const isBoxed = mediaType === 'video/mp4' || mediaType === 'video/quicktime';
  const durationMs = isBoxed ? await readDuration(file, sizeBytes) : null;
  return { mediaType, width, height, durationMs };
}

/** The format of a file by its first bytes (a few hundred do), or null. */
export function recognise(head: Buffer): string | null {
  if (startsWith(head, 'ffd8ff')) return 'image/jpeg';
  if (startsWith(head, '89504e470d0a1a0a')) return 'image/png';
  if (/^GIF8[79]a/.test(word(head, 0, 6))) return 'image/gif';
  if (word(head, 0) === 'RIFF' && word(head, 8) === 'WEBP') return 'image/webp';
  if (word(head, 0, 2) === 'BM' && head.length >= 26) return 'image/bmp';
  if (startsWith(head, '49492a00') || startsWith(head, '4d4d002a')) return 'image/tiff';
  if (word(head, 4) === 'ftyp') return word(head, 8) === 'qt  ' ? 'video/quicktime' : 'video/mp4';
  if (['moov', 'mdat', 'wide', 'free', 'skip'].includes(word(head, 4))) return 'video/quicktime';
  if (startsWith(head, '1a45dfa3')) return 'video/webm';
  if (head[0] === 0x47 && head[188] === 0x47) return 'video/mp2t';
  if (word(head, 0) === 'glTF') return 'model/gltf-binary';
  if (startsWith(head, '504b0304')) return 'model/vnd.usdz+zip';
  const text = head.toString('utf8').replace(/^\ufeff/, '');
  if (/^WEBVTT\b/.test(text)) return 'text/vtt';
  if (/^\s*\d+\s*\r?\n\d{2}:\d{2}:\d{2},\d{3} --> /.test(text)) return 'text/srt';
  return null;
}

/** Whether bytes of type `sniffed` pass for the `media_type` the upload was announced with. */
export function passesFor(sniffed: string, announced: string): boolean {
  if (announced === 'image/pjpeg') return sniffed === 'image/jpeg';
  const boxed = ['video/mp4', 'video/quicktime'];
  return sniffed === announced || (boxed.includes(sniffed) && boxed.includes(announced));
}

function readSize(mediaType: string, head: Buffer): readonly [number | null, number | null] {
  if (mediaType === 'image/png' && head.length >= 24) return [head.readUInt32BE(16), head.readUInt32BE(20)];
  if (mediaType === 'image/gif' && head.length >= 10) return [head.readUInt16LE(6), head.readUInt16LE(8)];
  if (mediaType === 'image/jpeg') return readJpegSize(head);
  return [null, null];
}

function readJpegSize(head: Buffer): readonly [number | null, number | null] {
  let at = 2;
  while (at + 9 < head.length && head[at] === 0xff) {
    const marker = head[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [head.readUInt16BE(at + 7), head.readUInt16BE(at + 5)];
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2);
  }
  return [null, null];
}

/** Walks the boxes of an MP4 or QuickTime file to `moov` > `mvhd` (ISO/IEC 14496-12, 8.2.2). */
async function readDuration(file: FileHandle, sizeBytes: number): Promise<number | null> {
  const moov = await findBox(file, 'moov', 0, sizeBytes);
  const mvhd = moov && (await findBox(file, 'mvhd', moov.start, moov.end));
  if (!mvhd || mvhd.end - mvhd.start < 32) return null;
  const box = await readAt(file, mvhd.start, 32);
  if (box.length < 32) return null;
  const [scale, duration] =
    box[0] === 1
      ? [box.readUInt32BE(20), Number(box.readBigUInt64BE(24))]
      : [box.readUInt32BE(12), box.readUInt32BE(16)];
  return scale === 0 ? null : Math.round((duration / scale) * 1000);
}

async function findBox(
  file: FileHandle,
  name: string,
  from: number,
  to: number,
): Promise<{ start: number; end: number } | null> {
  let at = from;
  for (let boxes = 0; at + 8 <= to && boxes < 10_000; boxes++) {
    const header = await readAt(file, at, 16);
    if (header.length < 8) return null;
    const short = header.readUInt32BE(0);
    if (short === 1 && header.length < 16) return null;
    const length = short === 1 ? Number(header.readBigUInt64BE(8)) : short === 0 ? to - at : short;
    const headerLength = short === 1 ? 16 : 8;
    if (length < headerLength) return null;
    if (word(header, 4) === name) return { start: at + headerLength, end: Math.min(to, at + length) };
    at += length;
  }
  return null;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
