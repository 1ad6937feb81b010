import type { Job as QueueEntry } from 'bullmq';
import type { WakeUpData } from '#libs/jobs/wake-up.ts';
import type { PublishDeps, RunResult } from '#libs/publish/publisher.ts';

/**
 * One run on an entry, within the trace of the request that its post came with. The record tells which one that is: entries
 * get lost and are replaced, and carry the id of the job alone.
 */
export async function tracedRun(
  { tracing, jobs, now }: Pick<PublishDeps, 'tracing' | 'jobs' | 'now'>,
  entry: QueueEntry<WakeUpData>,
  run: () => Promise<RunResult>,
): Promise<RunResult> {
  if (!tracing.isOn) return await run();
  const { job_id: jobId, index } = entry.data;
  const facts = {
    'messaging.system': 'bullmq',
    'messaging.operation.type': 'process',
    'messaging.destination.name': entry.queueName,
    'post_to_x.job_id': jobId,
    'post_to_x.attempt': entry.attemptsStarted,
    ...(index === undefined ? {} : { 'post_to_x.media_index': index }),
  };
  const parent = await jobs.traceparentOf(jobId);
  return await tracing.span(
    `process ${entry.queueName}`,
    { kind: 'consumer', parent, facts },
    async (span) => {
      const wakeAt = await run();
      if (wakeAt !== null) span.tell({ 'post_to_x.wakes_after_ms': Math.max(0, wakeAt - now()) });
      return wakeAt;
    },
  );
}
