import { open } from 'node:fs/promises';
import { fileTypeFromBuffer } from 'file-type';
import { ProblemError } from '#libs/problem/problem.ts';

/** Formats of still images that are decoded. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'avif';
/** Containers of video that are looked into. */
export type VideoFormat = 'mp4' | 'mov' | 'webm' | 'mkv' | 'mpegts';
export type MediaFormat = ImageFormat | 'gif' | VideoFormat;

/** How much of a file is looked at to say what it is. */
export const headBytes = 4100;

const formats: Readonly<Record<string, MediaFormat>> = {
  jpg: 'jpeg',
  png: 'png',
  apng: 'png',
  webp: 'webp',
  avif: 'avif',
  gif: 'gif',
  mp4: 'mp4',
  m4v: 'mp4',
  '3gp': 'mp4',
  '3g2': 'mp4',
  mov: 'mov',
  webm: 'webm',
  mkv: 'mkv',
  mts: 'mpegts',
};

const asJpeg = 'Send it as a JPEG or PNG.';
const asMp4 = 'Send it as an MP4 (H.264 and AAC).';
const refusals: Readonly<Record<string, string>> = {
  heic: `This is a HEIC photo. ${asJpeg}`,
  heif: `This is a HEIF photo. ${asJpeg}`,
  svg: 'This is an SVG drawing. Send it as a PNG.',
  tif: `This is a TIFF image. ${asJpeg}`,
  bmp: `This is a BMP image. ${asJpeg}`,
  ico: `This is an icon file. ${asJpeg}`,
  jxl: `This is a JPEG XL image. ${asJpeg}`,
  jp2: `This is a JPEG 2000 image. ${asJpeg}`,
  psd: `This is a Photoshop file. ${asJpeg}`,
  pdf: 'This is a PDF. Send its pages as PNG or JPEG images.',
  html: 'This address shows a web page, not a file. Send the address of the image or video itself.',
  playlist: 'This is a playlist, not a video. Send the video file itself.',
  avi: `This is an AVI video. ${asMp4}`,
  asf: `This is a Windows Media video. ${asMp4}`,
  flv: `This is a Flash video. ${asMp4}`,
  mpg: `This is an MPEG-1/2 video. ${asMp4}`,
  ogv: `This is an Ogg video. ${asMp4}`,
};

/**
 * What a file is, by its first bytes and by nothing else.
 * @throws {ProblemError} media_unsupported, with what to send instead; media_broken for an empty file
 */
export async function detectFormat(file: string): Promise<MediaFormat> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  if (bytesRead === 0) throw new ProblemError('media_broken', 'The file is empty. Send it again.');
  const found = await formatOf(buffer.subarray(0, bytesRead));
  if ('format' in found) return found.format;
  throw new ProblemError('media_unsupported', found.refusal);
}

/** The format that the first bytes of a file (`headBytes` of them count) stand for, or why that kind of file is refused. */
export async function formatOf(bytes: Uint8Array): Promise<{ format: MediaFormat } | { refusal: string }> {
  const head = bytes.subarray(0, headBytes);
  const name = (isAvif(head) ? 'avif' : undefined) ?? textFormat(head) ?? (await binaryFormat(head));
  const format = Object.hasOwn(formats, name) ? formats[name] : undefined;
  if (format) return { format };
  const refusal = Object.hasOwn(refusals, name) ? refusals[name] : undefined;
  return {
    refusal:
      refusal ?? 'This file is no image, GIF or video that X takes. Send a JPEG, PNG, WebP, GIF, MP4 or MOV.',
  };
}

async function binaryFormat(head: Uint8Array): Promise<string> {
  // The detector looks beyond the magic number of some formats and stumbles over made-up ones.
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  return found?.ext ?? (/^(II\*\0|MM\0\*)/.test(Buffer.from(head).toString('latin1', 0, 4)) ? 'tif' : '');
}

/** The detector goes by the major brand; many AVIF files only name `avif` among the compatible ones. */
function isAvif(head: Uint8Array): boolean {
  const text = Buffer.from(head).toString('latin1', 0, 64);
  if (text.slice(4, 8) !== 'ftyp') return false;
  const length = Math.min(64, Buffer.from(head).readUInt32BE(0));
  const brands = text.slice(8, length);
  return /avi[fs]/.test(brands) && !/hei[cx]|hev[cx]/.test(brands);
}

/** Text that a lenient decoder or a player would act on; a byte order mark, comments and blanks may come first. */
function textFormat(head: Uint8Array): string | undefined {
  const isUtf16 = head[0] === 0xff && head[1] === 0xfe;
  const text = new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(head).trimStart().toLowerCase();
  if (text.startsWith('#extm3u') || text.startsWith('ffconcat') || text.startsWith('[playlist]'))
    return 'playlist';
  if (!text.startsWith('<')) return undefined;
  if (/<mpd[\s>]|<smoothstreamingmedia|<asx[\s>]/.test(text)) return 'playlist';
  return /<(\w+:)?svg[\s>/]/.test(text) || text.includes('<!doctype svg') ? 'svg' : 'html';
}
