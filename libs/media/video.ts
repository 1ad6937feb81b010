import { ProblemError } from '#libs/problem/problem.ts';
import type { VideoFormat } from './detect-format.ts';

/** What a video file says about itself. */
export interface VideoHeader {
  readonly format: VideoFormat;
}

/** Reads the header. */
export async function readVideo(_file: string, _format: VideoFormat): Promise<VideoHeader> {
  throw new ProblemError('media_unsupported', 'Videos come later.');
}
