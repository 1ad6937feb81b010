import { readFile } from 'node:fs/promises';
import { resolve as absolute } from 'node:path';
import { createInterface } from 'node:readline';
import { ProblemError } from '#libs/problem/problem.ts';
import { type BoundProcess, startBound } from './bound-process.ts';
import type { VideoFormat } from './detect-format.ts';
import type { Transcoding } from './plan-video.ts';

export interface TranscodeOptions {
  readonly file: string;
  readonly format: VideoFormat;
  readonly durationMs: number;
  readonly output: string;
  readonly plan: Transcoding;
  readonly ffmpeg: FfmpegOptions;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((percent: number) => void) | undefined;
}

export interface FfmpegOptions {
  /** A name on PATH, or a path. */
  readonly command: string;
  /** Directories that `command` is looked for in, as PATH has them. */
  readonly searchPath: string;
  readonly timeoutMs: number;
  /** Resident memory beyond which it is killed, in bytes; watched on Linux. */
  readonly maxMemoryBytes: number;
}

export const defaultFfmpeg: FfmpegOptions = {
  command: 'ffmpeg',
  searchPath: '/usr/local/bin:/usr/bin:/bin',
  timeoutMs: 15 * 60_000,
  maxMemoryBytes: 1024 ** 3,
};

/** There is no ffmpeg on this machine. */
export class FfmpegMissingError extends Error {
  constructor(cause: unknown) {
    super('ffmpeg is not installed', { cause });
    this.name = 'FfmpegMissingError';
  }
}

/** ffmpeg's name of each container: given, never guessed, so that no file is taken for a playlist. */
const demuxers: Readonly<Record<VideoFormat, string>> = {
  mp4: 'mov',
  mov: 'mov',
  webm: 'matroska',
  mkv: 'matroska',
  mpegts: 'mpegts',
};

const watchEveryMs = 250;
const soundBitRate = 128_000;

/**
 * Makes an MP4 that X takes, in a child process that reads this one file and connects to nothing.
 * @throws {FfmpegMissingError}
 * @throws {ProblemError} media_broken, media_too_large (memory, time), storage_full; or the signal's reason
 */
export async function transcode(options: TranscodeOptions): Promise<void> {
  const { ffmpeg, signal } = options;
  signal?.throwIfAborted();
  // Nothing else of our environment: what reads files of strangers shall find nothing there.
  const environment = { PATH: ffmpeg.searchPath, LANG: 'C.UTF-8' };
  const running = await startBound(ffmpeg.command, ffmpegArguments(options), environment);
  let ended: unknown = null;
  const end = (reason: unknown) => {
    ended ??= reason;
    running.end();
  };
  const onAbort = () => end(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const timer = setTimeout(() => end(tooMuch('time')), ffmpeg.timeoutMs);
  let pid = 0;
  const watch = setInterval(async () => {
    if ((await residentBytes(pid)) > ffmpeg.maxMemoryBytes) end(tooMuch('memory'));
  }, watchEveryMs);
  try {
    // Read even if nobody listens: a full pipe would stop it.
    createInterface({ input: running.stdout }).on('line', (line) => {
      if (line.startsWith('pid=')) pid = Number(line.slice('pid='.length));
      else reportProgress(line, options);
    });
    const { code, complaint } = await exitOf(running);
    if (ended !== null) throw ended;
    if (code === 126 || code === 127) throw new FfmpegMissingError(new Error(complaint));
    if (endsFromOutside.includes(code)) throw new Error('ffmpeg was ended by somebody else');
    if (code !== 0) throw toProblem(complaint);
    options.onProgress?.(100);
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** By SIGKILL (the system, out of memory), SIGTERM, and how ffmpeg itself answers that one: nothing of the file's doing. */
const endsFromOutside = [137, 143, 255];

/** The command line; the file's own streams other than one picture and one sound are left out. */
export function ffmpegArguments({ file, format, output, plan }: TranscodeOptions): readonly string[] {
  return [
    ...['-nostdin', '-hide_banner', '-v', 'error', '-progress', 'pipe:1', '-y'],
    ...['-protocol_whitelist', 'file', '-f', demuxers[format], '-i', `file:${absolute(file)}`],
    ...plan.streams.flatMap((stream) => ['-map', `0:${stream}`]),
    ...['-dn', '-sn', '-map_metadata', '-1', '-map_chapters', '-1'],
    ...pictureArguments(plan),
    ...soundArguments(plan),
    ...(plan.cutMs === null ? [] : ['-t', String(plan.cutMs / 1000)]),
    ...['-movflags', '+faststart', '-threads', '2', '-f', 'mp4', `file:${absolute(output)}`],
  ];
}

function pictureArguments({ video, audio, maxBitRate }: Transcoding): readonly string[] {
  if (video === null) return ['-c:v', 'copy'];
  const bitRate = Math.max(50_000, Math.min(8_000_000, maxBitRate - (audio === 'none' ? 0 : soundBitRate)));
  const filters = [
    'yadif=deint=interlaced',
    ...(video.framesPerSecond === null ? [] : [`fps=${video.framesPerSecond}`]),
    `scale=${video.width}:${video.height}:flags=bicubic`,
    ...(video.padded === null
      ? []
      : [`pad=${video.padded.width}:${video.padded.height}:(ow-iw)/2:(oh-ih)/2:black`]),
    'setsar=1',
    'format=yuv420p',
  ];
  return [
    ...[
      '-vf',
      filters.join(','),
      '-c:v',
      'libx264',
      '-profile:v',
      'high',
      '-preset',
      'veryfast',
      '-crf',
      '21',
    ],
    ...['-maxrate', String(bitRate), '-bufsize', String(bitRate), '-x264-params', 'open-gop=0:keyint=120'],
  ];
}

function soundArguments({ audio }: Transcoding): readonly string[] {
  if (audio === 'none') return ['-an'];
  return audio === 'copy'
    ? ['-c:a', 'copy']
    : ['-c:a', 'aac', '-profile:a', 'aac_low', '-b:a', String(soundBitRate), '-ac', '2', '-ar', '48000'];
}

/** How it ended, and the last of what it complained about. */
async function exitOf({ stderr, exitCode }: BoundProcess): Promise<{ code: number; complaint: string }> {
  let complaint = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-4_000);
  });
  return { code: await exitCode, complaint };
}

function reportProgress(line: string, { durationMs, onProgress }: TranscodeOptions): void {
  const microseconds = Number(/^out_time_us=(\d+)$/.exec(line)?.[1] ?? Number.NaN);
  if (Number.isFinite(microseconds))
    onProgress?.(Math.min(99, Math.floor(microseconds / 10 / Math.max(1, durationMs))));
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

function tooMuch(what: 'time' | 'memory'): ProblemError {
  return new ProblemError(
    'media_too_large',
    `Converting the video takes too much ${what}. Send it as an MP4 (H.264, AAC).`,
  );
}

function toProblem(complaint: string): ProblemError {
  const cause = new Error(complaint);
  if (/No space left on device|Disk quota exceeded/.test(complaint))
    return new ProblemError('storage_full', 'This server has no room left for media. Try again later.', {
      cause,
    });
  return new ProblemError('media_broken', 'The video is damaged. Export it anew as an MP4 (H.264, AAC).', {
    cause,
  });
}
