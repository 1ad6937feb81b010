import type { PublishDeps } from './publisher.ts';

/** Runs one step of a media item; how long it took is counted when it succeeds. */
export async function mediaStep<T>(
  { counts, tracing }: Pick<PublishDeps, 'counts' | 'tracing'>,
  step: 'fetch' | 'prepare' | 'upload',
  act: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const done = await tracing.span(`media ${step}`, {}, act);
  counts.time('media_seconds', [step], performance.now() - startedAt);
  return done;
}
