import type { JobError, WaitReason } from '#libs/jobs/job.ts';

export const maxLimitedMs = 26 * 60 * 60_000;

/**
 * Since when a post, or an item of it, has waited for credits or for X to come back, which both end some day. What it
 * waited for anything else before that does not count: a try in between leaves no reason, and perhaps hours for a limit.
 */
export function failingSince(
  waiting: { readonly waitReason: WaitReason | null; readonly failingSince?: number | null },
  reason: WaitReason,
  now: number,
): number {
  const isFailure = (why: WaitReason | null) => why === 'credits' || why === 'x_down';
  if (isFailure(reason) && !isFailure(waiting.waitReason)) return now;
  return waiting.failingSince ?? now;
}

export const noCredits: JobError = {
  code: 'x_credits_depleted',
  detail: 'The X app has had no credits for a long time. Its operator has to add credits at X.',
};
export const limitedTooLong: JobError = {
  code: 'x_limited',
  detail: 'X has limited this account for more than a day.',
};
export const unreachable: JobError = {
  code: 'x_unavailable',
  detail: 'X could not be reached for a long time.',
};
