import { readFile } from 'node:fs/promises';
import { measureGif } from './gif.ts';
import type { Media } from './media-store.ts';
import type { Settings } from './settings.ts';
import { passesFor } from './sniff.ts';

/** What is wrong with the assembled bytes of an upload; null if X takes them. */
export async function judgeMedia(
  settings: Settings,
  media: Media,
): Promise<'unrecognized' | NonNullable<Media['error']> | null> {
  const isVideo = media.category.endsWith('video');
  const isWhatItSays = media.sniffed !== null && passesFor(media.sniffed.mediaType, media.mediaType);
  if (!isWhatItSays) return isVideo ? invalidMedia('Unsupported video format') : 'unrecognized';
  const { maxVideoSeconds } = settings;
  if ((media.sniffed?.durationMs ?? 0) > maxVideoSeconds * 1000) {
    const longest = `${Math.floor(maxVideoSeconds / 60)}.minutes+${maxVideoSeconds % 60}.seconds`;
    return { code: 3, name: 'UnsupportedMedia', message: `Duration exceeds max duration of ${longest}` };
  }
  return media.mediaType === 'image/gif' && media.category.endsWith('gif') ? judgeGif(media) : null;
}

/** X's caps on animation (x-api/media/quickstart/best-practices). */
async function judgeGif(media: Media): Promise<Media['error']> {
  const measured = measureGif(await readFile(media.path));
  if (!measured || measured.frames === 0) return invalidMedia('Unsupported GIF');
  const { width, height, frames } = measured;
  const fits = width <= 1_280 && height <= 1_080 && frames <= 350 && width * height * frames <= 300_000_000;
  return fits ? null : invalidMedia(`GIF of ${width}x${height} with ${frames} frames is too large`);
}

function invalidMedia(message: string): NonNullable<Media['error']> {
  return { code: 1, name: 'InvalidMedia', message };
}
