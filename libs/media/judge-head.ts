import { ProblemError } from '#libs/problem/problem.ts';
import { formatOf, headBytes, type MediaFormat } from './detect-format.ts';
import { type MediaLimits, mediaLimits } from './media-limits.ts';
import { megabytes } from './plan.ts';
import { byHead, type Sink, upTo } from './sink.ts';

/** Looks at the first bytes of a download and says how many it may have in all; throws to end it there. */
export type JudgeHead = (head: Uint8Array, totalBytes: number | null) => Promise<number>;

/**
 * Judges a file by its first bytes, so that a web page or a film is not downloaded to be refused.
 * @throws {ProblemError} media_unsupported, media_too_large
 */
export async function judgeHead(
  head: Uint8Array,
  totalBytes: number | null,
  limits: MediaLimits = mediaLimits,
): Promise<number> {
  const found = await formatOf(head);
  if ('refusal' in found) throw new ProblemError('media_unsupported', found.refusal);
  const { name, maxBytes } = inputLimit(found.format, limits);
  if ((totalBytes ?? 0) > maxBytes) throw tooLarge(name, maxBytes);
  return maxBytes;
}

/** Judges a body by its first bytes as soon as they are there, and ends it at the limit that came of it. */
export function judging(sink: Sink, totalBytes: number | null, judge: JudgeHead): Sink {
  return byHead(headBytes, async (head) => {
    return upTo(await judge(head, totalBytes), sink, (maxBytes) => tooLarge('file', maxBytes));
  });
}

/**
 * Whether a file with these first bytes may turn out to need no change, so that its upload can begin before all of it
 * is here. What it is in truth, `prepareMedia` says at the end: an upload begun in vain is left without finalize.
 */
export async function mayPassAsItIs(
  head: Uint8Array,
  totalBytes: number,
  limits: MediaLimits = mediaLimits,
): Promise<{ readonly mediaType: string; readonly mediaCategory: 'tweet_video' } | null> {
  const found = await formatOf(head);
  if (!('format' in found) || totalBytes > limits.video.maxBytes) return null;
  if (found.format === 'mp4') return { mediaType: 'video/mp4', mediaCategory: 'tweet_video' };
  return found.format === 'mov' ? { mediaType: 'video/quicktime', mediaCategory: 'tweet_video' } : null;
}

function inputLimit(format: MediaFormat, limits: MediaLimits): { name: string; maxBytes: number } {
  if (format === 'gif') return { name: 'GIF', maxBytes: limits.gif.maxInputBytes };
  const isImage = format === 'jpeg' || format === 'png' || format === 'webp' || format === 'avif';
  return isImage
    ? { name: 'picture', maxBytes: limits.image.maxInputBytes }
    : { name: 'video', maxBytes: limits.video.maxInputBytes };
}

function tooLarge(name: string, maxBytes: number): ProblemError {
  return new ProblemError(
    'media_too_large',
    `The ${name} is larger than ${megabytes(maxBytes)}. Send a smaller one.`,
  );
}
