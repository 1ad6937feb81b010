import type { ImageFormat } from './detect-format.ts';
import { createKeeper, type Stretch } from './stretches.ts';

/**
 * The stretches of an image file that its picture is made of: no metadata, no comments, no thumbnail, nothing after
 * the end. Null when the file is not built as its format says, or when leaving something out would change the picture.
 */
export function pictureStretches(format: ImageFormat, bytes: Buffer): readonly Stretch[] | null {
  if (format === 'jpeg') return jpegStretches(bytes);
  if (format === 'png') return pngStretches(bytes);
  return format === 'webp' ? webpStretches(bytes) : null;
}

/** ITU-T T.81, B.1.1.3: markers that stand alone, markers with a length, and entropy-coded data after SOS. */
function jpegStretches(bytes: Buffer): readonly Stretch[] | null {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return null;
  const kept = createKeeper();
  kept.keep(0, 2);
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || end > bytes.length) return null;
    if (isJpegPicturePart(marker, bytes.subarray(at + 4, end))) kept.keep(at, end);
    at = end;
    if (marker !== 0xda) continue;
    at = skipEntropyCodedData(bytes, end);
    kept.keep(end, at);
    if (bytes.readUInt16BE(at) !== 0xffd9) continue;
    kept.keep(at, at + 2);
    return kept.stretches;
  }
  return null;
}

/** JFIF (APP0) says the pixel shape and Adobe (APP14) the colour transform; other APPn and comments are metadata. */
function isJpegPicturePart(marker: number, content: Buffer): boolean {
  if (marker === 0xe0) return content.length === 14 && content.toString('latin1', 0, 5) === 'JFIF\0';
  if (marker === 0xee) return content.length === 12 && content.toString('latin1', 0, 5) === 'Adobe';
  return marker < 0xe0;
}

/** Where the next marker stands that is neither a stuffed 0xFF00 nor a restart; the last two bytes if there is none. */
function skipEntropyCodedData(bytes: Buffer, start: number): number {
  for (let at = start; ; at += 1) {
    at = bytes.indexOf(0xff, at);
    if (at < 0 || at + 2 > bytes.length) return bytes.length - 2;
    const next = bytes[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
}

/** PNG (W3C, third edition) chunks that the look depends on; acTL and its kin are left out: X shows a still. */
const pngPictureChunks = new Set([
  'IHDR',
  'PLTE',
  'tRNS',
  'gAMA',
  'cHRM',
  'sRGB',
  'sBIT',
  'bKGD',
  'pHYs',
  'IDAT',
  'IEND',
]);

function pngStretches(bytes: Buffer): readonly Stretch[] | null {
  if (bytes.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') return null;
  const kept = createKeeper();
  kept.keep(0, 8);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (end > bytes.length || !/^[A-Za-z]{4}$/.test(type)) return null;
    if (pngPictureChunks.has(type)) kept.keep(at, end);
    if (type === 'IEND') return end === at + 12 ? kept.stretches : null;
    at = end;
  }
  return null;
}

/**
 * RFC 9649: the simple formats, and the extended one with nothing but transparency. What else it may carry cannot be
 * left out without changing flags, so such a file is encoded anew.
 */
function webpStretches(bytes: Buffer): readonly Stretch[] | null {
  if (bytes.length < 20 || bytes.toString('latin1', 8, 12) !== 'WEBP') return null;
  const end = 8 + bytes.readUInt32LE(4);
  if (end > bytes.length) return null;
  const types: string[] = [];
  let at = 12;
  while (at + 8 <= end) {
    types.push(bytes.toString('latin1', at, at + 4));
    const length = bytes.readUInt32LE(at + 4);
    at += 8 + length + (length % 2);
  }
  const isPlain = types.length === 1 && (types[0] === 'VP8 ' || types[0] === 'VP8L');
  const isTransparent = types.join() === 'VP8X,ALPH,VP8 ' || types.join() === 'VP8X,VP8L';
  return at === end && (isPlain || isTransparent) ? [[0, end]] : null;
}
