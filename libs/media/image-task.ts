import type { ImageFormat, VideoFormat } from './detect-format.ts';
import type { GifHeader } from './gif.ts';
import type { VideoHeader } from './probe-video.ts';
import type { Stretch } from './stretches.ts';

/** What an image child can be asked to do; travels as JSON. */
export type ImageTask =
  | InspectTask
  | InspectGifTask
  | VerifyTask
  | RenderTask
  | GifRenderTask
  | ProbeTask
  | LoadTask;

/** Reads the header. */
export interface InspectTask {
  readonly act: 'inspect';
  readonly file: string;
  readonly format: ImageFormat | 'gif';
  readonly maxPixels: number;
  /** A larger file is encoded anew in any case: what it is made of is not looked at. */
  readonly maxStructureBytes: number;
}

/** Reads the structure of a GIF. */
export interface InspectGifTask {
  readonly act: 'inspectGif';
  readonly file: string;
  readonly format: 'gif';
  /** Of one frame. */
  readonly maxPixels: number;
  readonly maxCpuMs: number;
}

/** Decodes the first `pages` frames to the end, to know that they are whole. */
export interface VerifyTask {
  readonly act: 'verify';
  readonly file: string;
  readonly format: ImageFormat | 'gif';
  readonly maxPixels: number;
  readonly pages: number;
  /** Processor time after which the child gives up; left out for a still picture. */
  readonly maxCpuMs?: number;
}

/** Decodes, turns upright, scales, converts to sRGB and encodes within `maxBytes`. */
export interface RenderTask {
  readonly act: 'render';
  readonly file: string;
  readonly format: ImageFormat | 'gif';
  readonly maxPixels: number;
  readonly output: string;
  readonly maxBytes: number;
  readonly maxSide: number;
  /** Formats to try in this order, for a picture without and with transparency. */
  readonly formats: {
    readonly opaque: readonly OutputFormat[];
    readonly transparent: readonly OutputFormat[];
  };
}

/** Decodes an animation, scales it, leaves frames out and encodes it as a GIF within `maxBytes`. */
export interface GifRenderTask {
  readonly act: 'renderGif';
  readonly file: string;
  readonly format: 'gif' | 'webp';
  /** Of all frames together. */
  readonly maxPixels: number;
  readonly output: string;
  readonly maxBytes: number;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** 1 keeps every frame, 2 every other one, … */
  readonly keepEvery: number;
  readonly maxCpuMs: number;
}

/** Reads what a video says about itself, and whether it is whole. */
export interface ProbeTask {
  readonly act: 'probe';
  readonly file: string;
  readonly format: VideoFormat;
}

/** Loads what probing a video needs, so that the child is ready when the video is. */
export interface LoadTask {
  readonly act: 'load';
}

export type OutputFormat = 'jpeg' | 'png' | 'webp';

/** What a file says without being decoded. Width and height are as the picture is shown, orientation applied. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
  /** EXIF 2.3, 4.6.4: 1 is upright. */
  readonly orientation: number;
  readonly hasAlpha: boolean;
  /** Eight bits per channel in RGB or grey: shown as it is by everybody. */
  readonly isPlainColour: boolean;
  readonly profile: 'none' | 'srgb' | 'other';
  readonly frames: number;
  /** Of its pictures only the one for still viewers is read, and shown by X. */
  readonly isAnimatedPng: boolean;
  readonly bytes: number;
  /** What the picture is made of; null when nothing can be left out without encoding anew. */
  readonly stretches: readonly Stretch[] | null;
}

export interface RenderedImage {
  readonly format: OutputFormat;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  /** Null for a format without loss. */
  readonly quality: number | null;
}

export interface RenderedGif {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly bytes: number;
}

/** What each task gives back. */
export interface ImageResults {
  readonly inspect: ImageHeader;
  readonly inspectGif: { readonly gif: GifHeader; readonly image: ImageHeader };
  readonly verify: Record<string, never>;
  readonly render: RenderedImage;
  readonly renderGif: RenderedGif;
  readonly probe: VideoHeader;
  readonly load: Record<string, never>;
}

/** The answer of a child: what came of the task, or why nothing did; and what memory the child holds by now. */
export type ImageAnswer = { readonly id: number; readonly memoryBytes: number } & (
  | { readonly done: ImageResults[keyof ImageResults] }
  | { readonly failed: ImageFailure }
);

/** `damaged`: the decoder objects; `sound`: there is nothing else; `pixels`, `memory`, `cpu`: more than allowed; `size`: does not fit; `disk`: it is full; `bug`: ours. */
export interface ImageFailure {
  readonly reason: 'damaged' | 'sound' | 'pixels' | 'memory' | 'cpu' | 'size' | 'disk' | 'bug';
  readonly message: string;
}
