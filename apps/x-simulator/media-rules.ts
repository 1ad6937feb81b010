import { z } from 'zod';
import { invalidRequest } from './refusals.ts';
import type { Settings } from './settings.ts';

const categories = [
  'tweet_image', 'tweet_video', 'tweet_gif', 'dm_image', 'dm_video', 'dm_gif', 'subtitles', 'amplify_video',
] as const; // biome-ignore format: one list
const mediaTypes = [
  'video/mp4', 'video/webm', 'video/mp2t', 'video/quicktime', 'text/srt', 'text/vtt', 'image/jpeg', 'image/gif',
  'image/bmp', 'image/png', 'image/webp', 'image/pjpeg', 'image/tiff', 'model/gltf-binary', 'model/vnd.usdz+zip',
] as const; // biome-ignore format: one list

const userId = z.string().regex(/^[0-9]{1,19}$/);
/** The body of INITIALIZE. */
export const InitializeRequest = z.strictObject({
  media_type: z.enum(mediaTypes),
  total_bytes: z.int().min(1).max(17_179_869_184),
  media_category: z.enum(categories),
  shared: z.boolean().optional(),
  additional_owners: z.array(userId).max(100).optional(),
});
/** The fields of a one-shot upload beside `media`. */
export const OneShotRequest = z.strictObject({
  media_category: z.enum(categories).exclude(['amplify_video']),
  media_type: z.enum(mediaTypes).optional(),
  shared: z.boolean().optional(),
  additional_owners: z.array(userId).max(100).optional(),
});
/** The body of `POST /2/media/metadata`. */
export const MetadataRequest = z.object({
  id: z.string().regex(/^[0-9]{1,19}$/),
  metadata: z.looseObject({ alt_text: z.strictObject({ text: z.string().max(1_000) }).optional() }),
});

/** Whether a type may be uploaded for a category, and how large; X refuses both at INITIALIZE. */
export function checkCategory(
  settings: Settings,
  category: string,
  mediaType: string,
  totalBytes: number,
): void {
  const isVideo = category.endsWith('video');
  const isGif = category.endsWith('gif');
  const fits = isVideo
    ? mediaType.startsWith('video/')
    : isGif
      ? mediaType === 'image/gif'
      : category === 'subtitles'
        ? mediaType.startsWith('text/')
        : mediaType.startsWith('image/');
  if (!fits) throw invalidRequest(`media_type ${mediaType} does not fit media_category ${category}.`);
  const limit = isVideo ? settings.maxVideoBytes : isGif ? settings.maxGifBytes : settings.maxImageBytes;
  if (totalBytes > limit) throw invalidRequest(`File size exceeds ${limit} bytes.`);
}
