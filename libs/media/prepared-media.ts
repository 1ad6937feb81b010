import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { MediaFormat } from './detect-format.ts';
import type { ImagePool } from './image-pool.ts';
import type { MediaLimits } from './media-limits.ts';
import type { Room } from './save-body.ts';
import type { FfmpegOptions } from './transcode.ts';

/** A file that X takes. */
export interface PreparedMedia {
  /** The input itself when it needed no change, or none but blanking in place, else a file in the output folder. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly kind: 'image' | 'gif' | 'video';
  /** What the bytes are, for X's `media_type`. */
  readonly mediaType: string;
  readonly mediaCategory: 'tweet_image' | 'tweet_gif' | 'tweet_video';
  /** One sentence on what was changed; null when nothing was. */
  readonly note: string | null;
}

export interface PrepareOptions {
  /** Where a changed file is written; the input may lie there too. */
  readonly outputFolder: string;
  readonly limits?: MediaLimits;
  readonly signal?: AbortSignal | undefined;
  /** SHA-256 of the input in hex, where it is known from its download: it is not read again then. */
  readonly sha256?: string | undefined;
  /** Its metadata was removed while it came in: the note says so. */
  readonly isCleaned?: boolean | undefined;
  /** Hears how far it is, in percent from 0 to 100. */
  readonly onProgress?: (percent: number) => void;
  /** Room on disk to be asked for before a changed file is written; without it, the disk itself is the limit. */
  readonly room?: Room | undefined;
  /** Children that read media; those of this process unless given. */
  readonly images?: ImagePool;
  readonly ffmpeg?: Partial<FfmpegOptions>;
}

/** The options, complete. */
export interface Work extends PrepareOptions {
  readonly limits: MediaLimits;
  readonly images: ImagePool;
}

/**
 * Where the changed form of `file` goes: into the output folder, by a name of this run alone. Who was taken for dead
 * and writes on spoils nothing then.
 */
export function outputFor(file: string, ending: string, work: Work): string {
  return join(work.outputFolder, `${basename(file)}.${randomUUID()}.${ending}`);
}

const mediaTypes: Partial<Record<MediaFormat, string>> = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
};

/** Describes the finished file, hashed unless its hash is known. */
export async function describe(
  path: string,
  kind: PreparedMedia['kind'],
  format: MediaFormat,
  note: string | null,
  knownSha256?: string,
): Promise<PreparedMedia> {
  const mediaType = mediaTypes[format];
  if (mediaType === undefined) throw new TypeError(`X takes no ${format}`);
  const { size: bytes } = await stat(path);
  const sha256 = knownSha256 ?? (await hashOf(path));
  return { path, sha256, bytes, kind, mediaType, mediaCategory: `tweet_${kind}`, note };
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) hash.update(piece);
  return hash.digest('hex');
}

/** Parts of a change as one sentence; null when there are none. */
export function toNote(changes: readonly (string | null)[]): string | null {
  const said = changes.filter((change) => change !== null);
  const last = said.pop();
  if (last === undefined) return null;
  const sentence = said.length > 0 ? `${said.join(', ')} and ${last}` : last;
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}
