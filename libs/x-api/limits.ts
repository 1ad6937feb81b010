/**
 * X's numbers, as of November 2026. They change without notice: whatever X answers wins over them.
 */

const megabyte = 1024 * 1024;
const day = 24 * 60 * 60_000;

/** What a post may hold (docs.x.com: Counting characters, Create Post, Media best practices). */
export const xLimits = {
  text: {
    maxWeightedLength: 280,
    /** For accounts with a Premium subscription. */
    maxWeightedLengthPremium: 25_000,
  },
  post: {
    maxImages: 4,
    pollOptions: { min: 2, max: 4 },
    maxPollOptionLength: 25,
    pollMinutes: { min: 5, max: 10_080 },
    replySettings: ['following', 'mentionedUsers', 'subscribers', 'verified'],
    maxAltTextLength: 1000,
  },
  image: { maxBytes: 5 * megabyte, maxSide: 4096 },
  gif: {
    maxBytes: 15 * megabyte,
    maxWidth: 1280,
    maxHeight: 1080,
    maxFrames: 350,
    maxFramePixels: 300_000_000,
  },
  /** For every account; the wider limits of Premium are not assumed. */
  video: {
    maxBytes: 512 * megabyte,
    minSeconds: 0.5,
    maxSeconds: 140,
    minSide: 32,
    maxWidth: 1280,
    maxHeight: 1024,
    maxFramesPerSecond: 60,
    minAspectRatio: 1 / 3,
    maxAspectRatio: 3,
  },
  /** A media id may be used in a post for this long after FINALIZE. */
  mediaUsableMs: day,
} as const;

const segments = { max: 1000, bytes: megabyte, largeBytes: 4 * megabyte, largeFrom: 64 * megabyte } as const;

/**
 * Bytes of each APPEND for a file of `totalBytes`: 1 MiB, and 4 MiB for large files, as X's own tools send them. X takes
 * segment_index 0–999, lets an account append 1,875 times in 15 minutes, and has refused 5 MB with 413.
 * @throws RangeError when no segment size that X takes is enough.
 */
export function segmentBytesFor(totalBytes: number): number {
  if (totalBytes <= segments.largeFrom) return segments.bytes;
  if (totalBytes <= segments.max * segments.largeBytes) return segments.largeBytes;
  throw new RangeError(`X takes no upload of ${totalBytes} bytes in ${segments.max} segments`);
}

/** What X bills for a call, in US dollars (docs.x.com, Pricing). */
export interface Prices {
  readonly post: number;
  readonly postWithUrl: number;
  readonly deletePost: number;
  readonly altText: number;
  readonly readUser: number;
  /** Reading one post of the app's own owner. */
  readonly readOwnPost: number;
}

export const usualPrices: Prices = {
  post: 0.015,
  postWithUrl: 0.2,
  deletePost: 0.01,
  altText: 0.005,
  readUser: 0.01,
  readOwnPost: 0.001,
};
