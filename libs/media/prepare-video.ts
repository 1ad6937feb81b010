import { ProblemError } from '#libs/problem/problem.ts';
import type { VideoInspection } from './inspect.ts';
import { planVideo, type Transcoding, time } from './plan-video.ts';
import { removeIfFailed } from './prepare-image.ts';
import { describe, outputFor, type PreparedMedia, toNote, type Work } from './prepared-media.ts';
import { removeMetadata } from './remove-metadata.ts';
import { defaultFfmpeg, FfmpegMissingError, transcode } from './transcode.ts';

/** Makes a video fit: as it is where X takes it, else copied into an MP4 or transcoded where ffmpeg is installed. */
export async function prepareVideo(file: string, video: VideoInspection, work: Work): Promise<PreparedMedia> {
  const plan = planVideo(video, work.limits.video);
  if (plan.act === 'refuse') throw new ProblemError(plan.code, plan.detail);
  if (plan.act === 'pass') return await pass(file, video, work);
  const output = outputFor(file, 'mp4', work);
  await work.room?.grow(Math.min(work.limits.video.maxBytes, 2 * video.bytes));
  return await removeIfFailed(output, async () => {
    const { format, durationMs } = video;
    const { signal, onProgress } = work;
    const ffmpeg = { ...defaultFfmpeg, ...work.ffmpeg };
    await transcode({ file, format, durationMs, output, plan, ffmpeg, signal, onProgress }).catch((error) => {
      throw error instanceof FfmpegMissingError ? withoutFfmpeg(plan) : error;
    });
    await checkResult(output, work);
    return await describe(output, 'video', 'mp4', noteOn(plan));
  });
}

/** As it is, but for what it tells besides its pictures and its sound. */
async function pass(file: string, { format }: VideoInspection, work: Work): Promise<PreparedMedia> {
  const hadMetadata = await removeMetadata(file);
  const note = hadMetadata || work.isCleaned === true ? toNote(['metadata was removed']) : null;
  return await describe(file, 'video', format, note, hadMetadata ? undefined : work.sha256);
}

/** What came out is judged like what came in. */
async function checkResult(output: string, work: Work): Promise<void> {
  const made = await work.images.run({ act: 'probe', file: output, format: 'mp4' }, work.signal);
  const plan = planVideo(made, work.limits.video);
  if (plan.act === 'pass') return;
  if (plan.act === 'refuse') throw new ProblemError(plan.code, plan.detail);
  const isTooLarge = made.bytes > work.limits.video.maxBytes;
  throw new ProblemError(
    'media_unsupported',
    `After conversion ${plan.reasons.join(', ')}. ${isTooLarge ? 'Send it as a smaller' : 'Export it anew as an'} MP4 (H.264, AAC).`,
  );
}

function withoutFfmpeg(plan: Transcoding): ProblemError {
  return new ProblemError(
    'media_unsupported',
    `X does not take this video because ${plan.reasons.join(', ')}, and this server cannot convert videos (ffmpeg is not installed). ` +
      'Send it as an MP4 (H.264 and AAC) within these bounds.',
  );
}

function noteOn(plan: Transcoding): string | null {
  const how =
    plan.video === null && plan.audio !== 'encode' ? 'copied into an MP4' : 'converted to MP4 (H.264, AAC)';
  const padded = plan.video?.padded;
  return toNote([
    `${how} because ${plan.reasons.join(', ')}`,
    padded ? `given black bars to make it ${padded.width}×${padded.height}` : null,
    plan.cutMs === null ? null : `cut at ${time(plan.cutMs)}`,
  ]);
}
