import type { VideoLimits } from './media-limits.ts';
import { megabytes, type Refuse } from './plan.ts';
import type { VideoHeader } from './probe-video.ts';

/** What ffmpeg has to do. */
export interface Transcoding {
  readonly act: 'transcode';
  /** Each as a user reads it: "the video codec is HEVC". */
  readonly reasons: readonly string[];
  /** Null: the video's own packets are copied. */
  readonly video: {
    readonly width: number;
    readonly height: number;
    /** What it becomes with black bars around it; null: it has a shape that X takes. */
    readonly padded: { readonly width: number; readonly height: number } | null;
    readonly framesPerSecond: number | null;
  } | null;
  readonly audio: 'none' | 'copy' | 'encode';
  /** The tracks that are taken, as ffmpeg names them: pictures, and sound if there is any. */
  readonly streams: readonly string[];
  /** Where it is cut; null: it is short enough. */
  readonly cutMs: number | null;
  /** For picture and sound together, in bits per second; what keeps the result within X's bytes. */
  readonly maxBitRate: number;
}

export type VideoPlan = { readonly act: 'pass' } | Transcoding | Refuse;

const names: Readonly<Record<string, string>> = {
  hevc: 'HEVC (H.265)',
  vp8: 'VP8',
  vp9: 'VP9',
  av1: 'AV1',
  opus: 'Opus',
  vorbis: 'Vorbis',
  mkv: 'Matroska',
  webm: 'WebM',
  mpegts: 'MPEG transport stream',
};

/**
 * What a cut stays below X's limit. Sound ends with a whole frame and may begin one early: at 8 kHz a frame of AAC takes
 * 128 ms.
 */
const cutMarginMs = 300;

/** `profile_idc` of Baseline, Main, Extended and High: all of them 8 bits per channel and 4:2:0. */
const plainProfiles = ['42', '4d', '58', '64'];

/** Decides whether X takes a video as it is, what would have to be changed, or why nothing can be done. */
export function planVideo(video: VideoHeader, limits: VideoLimits): VideoPlan {
  const refusal = refuseVideo(video, limits);
  if (refusal) return refusal;
  const picture = pictureFaults(video, limits);
  const isTooLarge = video.bytes > limits.maxBytes;
  if (isTooLarge)
    picture.push(`it has ${megabytes(video.bytes)} where X takes ${megabytes(limits.maxBytes)}`);
  const sound = soundFaults(video);
  const isTooLong = video.movieMs > limits.maxDurationMs;
  const length = isTooLong
    ? [`it lasts ${time(video.movieMs)} where X takes ${time(limits.maxDurationMs)}`]
    : [];
  const container =
    video.format === 'mp4' || video.format === 'mov' ? [] : [`its container is ${names[video.format]}`];
  const reasons = [...container, ...picture, ...sound, ...length];
  if (reasons.length === 0) return { act: 'pass' };
  const cutMs = limits.maxDurationMs - cutMarginMs;
  return {
    act: 'transcode',
    reasons,
    video: picture.length > 0 ? targetFor(video, limits) : null,
    audio: video.audio === null ? 'none' : sound.length > 0 ? 'encode' : 'copy',
    streams: [video.stream, ...(video.audio ? [video.audio.stream] : [])],
    cutMs: video.movieMs > cutMs ? cutMs : null,
    maxBitRate: Math.floor((limits.maxBytes * 8 * 0.92) / (video.durationMs / 1000)),
  };
}

function refuseVideo(video: VideoHeader, limits: VideoLimits): Refuse | null {
  const refuse = (code: Refuse['code'], detail: string): Refuse => ({ act: 'refuse', code, detail });
  const { durationMs, width, height } = video;
  if (!Number.isFinite(durationMs) || width < 1 || height < 1 || video.framesPerSecond <= 0)
    return refuse(
      'media_broken',
      'The video says nothing usable about its size or time. Export it anew as an MP4.',
    );
  if (durationMs > limits.maxDurationMs)
    return refuse(
      'media_too_large',
      `The video lasts ${time(durationMs)}; X takes at most ${time(limits.maxDurationMs)}. Cut it and send that.`,
    );
  if (durationMs < limits.minDurationMs)
    return refuse(
      'media_unsupported',
      `The video lasts ${durationMs / 1000} s; X takes no shorter one than ${limits.minDurationMs / 1000} s. Send a longer one, or a GIF.`,
    );
  if (Math.min(width, height) < limits.minSide)
    return refuse(
      'media_unsupported',
      `The video has ${width}×${height} pixels; X takes no smaller one than ${limits.minSide}×${limits.minSide}. Send a larger one.`,
    );
  return null;
}

function pictureFaults(video: VideoHeader, limits: VideoLimits): string[] {
  const { width, height, framesPerSecond } = video;
  const faults: string[] = [];
  const profile = /^avc[13]\.([0-9a-f]{2})/i.exec(video.codecString ?? '')?.[1]?.toLowerCase();
  if (video.codec !== 'avc') faults.push(`its video codec is ${named(video.codec)} and not H.264`);
  else if (profile === undefined || !plainProfiles.includes(profile))
    faults.push('its colours have more than 8 bits, or are finer than 4:2:0');
  if (video.isInterlaced) faults.push('it is interlaced');
  if (Math.max(width, height) > limits.maxLongSide || Math.min(width, height) > limits.maxShortSide)
    faults.push(
      `it has ${width}×${height} pixels where X takes ${limits.maxLongSide}×${limits.maxShortSide}`,
    );
  if (isTooNarrow(video, limits))
    faults.push(
      `it has ${width}×${height} pixels where X takes no video more than ${limits.maxAspectRatio} times as long as wide`,
    );
  if (!video.hasSquarePixels) faults.push('its pixels are not square');
  if (framesPerSecond > limits.maxFramesPerSecond + 0.5)
    faults.push(
      `it has ${Math.round(framesPerSecond)} frames per second where X takes ${limits.maxFramesPerSecond}`,
    );
  return faults;
}

function soundFaults({ audio }: VideoHeader): string[] {
  if (audio === null) return [];
  // mp4a.40.2 is AAC-LC; .5 and .29 are HE-AAC.
  const isAacLc = audio.codec === 'aac' && (audio.codecString ?? '').startsWith('mp4a.40.2');
  if (!isAacLc || (audio.codecString ?? '').length > 'mp4a.40.2'.length)
    return [`its sound is ${named(audio.codec)} and not AAC-LC`];
  return audio.channels > 2 ? [`its sound has ${audio.channels} channels where X takes 2`] : [];
}

function isTooNarrow(
  { width, height }: Pick<VideoHeader, 'width' | 'height'>,
  { maxAspectRatio }: VideoLimits,
): boolean {
  return Math.max(width, height) / Math.min(width, height) > maxAspectRatio;
}

/** Within the limits, of the same shape unless bars are put around it, and even, as 4:2:0 wants it. */
function targetFor(video: VideoHeader, limits: VideoLimits): NonNullable<Transcoding['video']> {
  const { width, height, framesPerSecond } = video;
  const long = Math.max(width, height);
  const scale = Math.min(1, limits.maxLongSide / long, limits.maxShortSide / Math.min(width, height));
  const even = (length: number) => Math.max(2, 2 * Math.floor((length * scale) / 2));
  const scaled = { width: even(width), height: even(height) };
  // The least that is wide enough, and even.
  const wide = 2 * Math.ceil(even(long) / limits.maxAspectRatio / 2);
  const padded = { width: Math.max(scaled.width, wide), height: Math.max(scaled.height, wide) };
  return {
    ...scaled,
    // Rounding may push a shape that just fitted over the edge.
    padded: isTooNarrow(video, limits) || isTooNarrow(scaled, limits) ? padded : null,
    framesPerSecond: framesPerSecond > limits.maxFramesPerSecond + 0.5 ? limits.maxFramesPerSecond : null,
  };
}

function named(codec: string | null): string {
  return codec === null ? 'unknown' : (names[codec] ?? codec.toUpperCase());
}

/** Rounded up, so that what is too long reads so. */
export function time(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
