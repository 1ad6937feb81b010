import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Videos made on the spot, for tests; they need ffmpeg, which a machine may lack. */

export const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0;

/** Said by tests that skip themselves. */
export const needsFfmpeg = hasFfmpeg ? '' : ' (skipped: ffmpeg is not installed)';

interface VideoOptions {
  readonly size?: string;
  readonly seconds?: number;
  readonly rate?: number;
  readonly sound?: boolean;
  /** Container by its file name ending. */
  readonly ending?: string;
  /** Output options of ffmpeg that go last and win. */
  readonly options?: readonly string[];
}

/** The bytes of a test picture that moves, with a tone. */
export function video({
  size = '320x180',
  seconds = 1,
  rate = 25,
  sound = true,
  ending = 'mp4',
  options = [],
}: VideoOptions = {}): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'test-video-'));
  try {
    const file = join(folder, `a.${ending}`);
    execFileSync('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=${size}:r=${rate}:d=${seconds}`],
      ...(sound ? ['-f', 'lavfi', '-i', `sine=d=${seconds}`] : []),
      ...[
        '-c:v',
        'libx264',
        '-preset',
        'ultrafast',
        '-profile:v',
        'main',
        '-pix_fmt',
        'yuv420p',
        '-c:a',
        'aac',
      ],
      ...[...options, file],
    ]);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The same video, to be shown turned by 90 degrees: the matrix of its first track says so (ISO/IEC 14496-12, 8.3.2). */
export function turnByTable(bytes: Buffer): Buffer {
  const turned = Buffer.from(bytes);
  const matrix = [0, 0x10000, 0, 0xffff0000, 0, 0, 0, 0, 0x40000000];
  const at = turned.indexOf('tkhd') + 44;
  for (const [index, value] of matrix.entries()) turned.writeUInt32BE(value, at + index * 4);
  return turned;
}

/** How long an MP4 says that it lasts, in milliseconds: X refuses by this number (ISO/IEC 14496-12, 8.2.2). */
export function statedMs(bytes: Buffer): number {
  const at = bytes.indexOf('mvhd');
  return (bytes.readUInt32BE(at + 20) / bytes.readUInt32BE(at + 16)) * 1000;
}

/** What ffprobe, and not our own probe, says of a file. */
export function ffprobe(file: string) {
  const text = execFileSync(
    'ffprobe',
    ['-v', 'error', '-show_streams', '-show_format', '-of', 'json', file],
    { encoding: 'utf8' },
  );
  const { streams, format } = JSON.parse(text);
  const find = (type: string): Record<string, string | number> | undefined =>
    streams.find((stream: { codec_type: string }) => stream.codec_type === type);
  return {
    picture: find('video'),
    sound: find('audio'),
    streams: streams.length,
    seconds: Number(format.duration),
    startSeconds: Number(format.start_time),
  };
}
