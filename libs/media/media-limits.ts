const mebibyte = 1024 * 1024;

/** What X takes and what this server is willing to decode; every number may be replaced by configuration. */
export interface MediaLimits {
  readonly image: ImageLimits;
  readonly gif: GifLimits;
  readonly video: VideoLimits;
}

export interface ImageLimits {
  readonly maxBytes: number;
  /** The long side, in pixels. */
  readonly maxSide: number;
  /** What is downloaded and decoded at most, to be made smaller. */
  readonly maxInputBytes: number;
  readonly maxInputPixels: number;
}

export interface GifLimits {
  readonly maxBytes: number;
  readonly maxWidth: number;
  readonly maxHeight: number;
  readonly maxFrames: number;
  /** Width × height × frames. */
  readonly maxTotalPixels: number;
  readonly maxInputBytes: number;
  /** Width × height × frames that are decoded at most to be made smaller; more is refused. */
  readonly maxInputPixels: number;
  /** Width × height × frames of a reduced GIF: its encoder takes about 0.4 µs of CPU for each. */
  readonly maxRenderedPixels: number;
  /** Width × height × frames that are decoded to see whether a GIF that needs no change is whole. */
  readonly maxVerifiedPixels: number;
  /** Processor time for each step of looking at a GIF and making it smaller. */
  readonly maxCpuMs: number;
  /** Frames are left out rather than making the long side smaller than this. */
  readonly minReducedSide: number;
}

export interface VideoLimits {
  readonly maxBytes: number;
  readonly minDurationMs: number;
  readonly maxDurationMs: number;
  readonly minSide: number;
  /** X gives 1280×1024; a standing video may have the same numbers the other way round. */
  readonly maxLongSide: number;
  readonly maxShortSide: number;
  readonly maxFramesPerSecond: number;
  /** Long side by short side. */
  readonly maxAspectRatio: number;
  /** What is downloaded at most, to be transcoded. */
  readonly maxInputBytes: number;
}

/** Today's values (docs.x.com, X API v2, media upload best practices), and our own bounds on input. */
export const mediaLimits: MediaLimits = {
  image: {
    maxBytes: 5 * mebibyte,
    maxSide: 4096,
    maxInputBytes: 64 * mebibyte,
    maxInputPixels: 50_000_000,
  },
  gif: {
    maxBytes: 15 * mebibyte,
    maxWidth: 1280,
    maxHeight: 1080,
    maxFrames: 350,
    maxTotalPixels: 300_000_000,
    maxInputBytes: 128 * mebibyte,
    maxInputPixels: 300_000_000,
    maxRenderedPixels: 16_000_000,
    maxVerifiedPixels: 50_000_000,
    maxCpuMs: 10_000,
    minReducedSide: 320,
  },
  video: {
    maxBytes: 512 * mebibyte,
    minDurationMs: 500,
    maxDurationMs: 140_000,
    minSide: 32,
    maxLongSide: 1280,
    maxShortSide: 1024,
    maxFramesPerSecond: 60,
    maxAspectRatio: 3,
    maxInputBytes: 2048 * mebibyte,
  },
};
