import {
  type EncodedPacket,
  EncodedPacketSink,
  FilePathSource,
  Input,
  type InputAudioTrack,
  type InputVideoTrack,
  MATROSKA,
  MP4,
  MPEG_TS,
  QTFF,
  WEBM,
} from 'mediabunny';
import { DamagedMediaError, NoPictureError } from './decode-errors.ts';
import { readSequence } from './h264.ts';
import type { ProbeTask } from './image-task.ts';
import { statedDurationMs } from './movie-header.ts';

/** What a video says about itself, as far as X's rules ask for it. */
export interface VideoHeader {
  readonly format: ProbeTask['format'];
  readonly bytes: number;
  /** The track of the pictures that this is about, as ffmpeg names it. */
  readonly stream: string;
  /** From the first frame to the end of the last one. */
  readonly durationMs: number;
  /** Of the longest track, or as the file says: what X judges. */
  readonly movieMs: number;
  /** As shown: turned, and with square pixels. */
  readonly width: number;
  readonly height: number;
  readonly hasSquarePixels: boolean;
  readonly framesPerSecond: number;
  /** mediabunny's name of the codec: avc, hevc, vp9, av1, …; null when it knows none. */
  readonly codec: string | null;
  /** RFC 6381, as in `avc1.64001f`. */
  readonly codecString: string | null;
  readonly isInterlaced: boolean;
  readonly audio: AudioHeader | null;
}

export interface AudioHeader {
  /** Its track, as ffmpeg names it. */
  readonly stream: string;
  readonly codec: string | null;
  readonly codecString: string | null;
  readonly channels: number;
}

/** Frames that the frame rate is counted on. */
const countedFrames = 240;

/** Reads a video's tables, a few hundred kB of whatever size of file, and its last packet to know that it is whole. */
export async function probeVideo(task: ProbeTask): Promise<VideoHeader> {
  using input = new Input({
    source: new FilePathSource(task.file),
    formats: [MP4, QTFF, MATROSKA, WEBM, MPEG_TS],
  });
  const video = await mainPicture(input);
  const audio = await input.getPrimaryAudioTrack();
  const first = await checkWhole(video);
  if (audio) await checkWhole(audio);
  const stats = await video.computePacketStats(countedFrames);
  const durationMs = Math.round(((await video.computeDuration()) - first.timestamp) * 1000);
  const codec = await video.getCodec();
  const description = (await video.getDecoderConfig())?.description;
  const sequence = codec === 'avc' ? readSequence(description, first.data) : null;
  // Where the stream alone says it, mediabunny takes the lines of one field for all of them.
  const stretch = sequence && !description ? sequence.height / (await video.getCodedHeight()) : 1;
  const { num, den } = await video.getPixelAspectRatio();
  return {
    format: task.format,
    bytes: await input.source.getSize(),
    stream: streamOf(video, task),
    durationMs,
    movieMs: await movieMs(input, task),
    width: await video.getDisplayWidth(),
    height: Math.round((await video.getDisplayHeight()) * stretch),
    hasSquarePixels: num === den,
    framesPerSecond: Math.round(stats.averagePacketRate * 100) / 100,
    codec,
    codecString: await video.getCodecParameterString(),
    isInterlaced: sequence?.isInterlaced ?? false,
    audio: audio ? await audioHeader(audio, task) : null,
  };
}

/** Not the cover, which may be a track of one still picture; it has no codec that mediabunny names. */
async function mainPicture(input: Input): Promise<InputVideoTrack> {
  const filter = async (track: InputVideoTrack) => (await track.getCodec()) !== null;
  const video = (await input.getPrimaryVideoTrack({ filter })) ?? (await input.getPrimaryVideoTrack());
  if (video) return video;
  const sound = await input.getPrimaryAudioTrack();
  throw sound ? new NoPictureError() : new DamagedMediaError('No track');
}

/** By its id, or, in Matroska, where ffmpeg knows none, by its place among those of its kind. */
function streamOf(track: InputVideoTrack | InputAudioTrack, { format }: ProbeTask): string {
  if (format !== 'mkv' && format !== 'webm') return `i:${track.id}`;
  return `${track.isVideoTrack() ? 'v' : 'a'}:${track.number - 1}`;
}

async function movieMs(input: Input, { file, format }: ProbeTask): Promise<number> {
  const endMs = (await input.computeDuration()) * 1000;
  // What was cut out of a broadcast begins at any time of day; what comes before zero is not shown.
  const startMs = Math.max(0, (await input.getFirstTimestamp()) * 1000);
  const ownMs = Math.round(endMs - startMs);
  return format === 'mp4' || format === 'mov' ? Math.max(ownMs, await statedDurationMs(file)) : ownMs;
}

/** A cut-off file still states its whole duration: only the bytes of the last packet tell. Gives the first one. */
async function checkWhole(track: InputVideoTrack | InputAudioTrack): Promise<EncodedPacket> {
  const sink = new EncodedPacketSink(track);
  const first = await sink.getFirstPacket();
  const last = await sink.getPacket(Number.POSITIVE_INFINITY);
  if (!first || !last) throw new DamagedMediaError('Packets are missing');
  return first;
}

async function audioHeader(track: InputAudioTrack, task: ProbeTask): Promise<AudioHeader> {
  return {
    stream: streamOf(track, task),
    codec: await track.getCodec(),
    codecString: await track.getCodecParameterString(),
    channels: await track.getNumberOfChannels(),
  };
}
