import { z } from 'zod';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import type { PublishDeps } from './publisher.ts';
import { outcomeKind } from './record-outcome.ts';

const SpooledOutcome = z.object({
  jobId: z.string(),
  accountId: z.string(),
  name: z.enum(['created', 'createdNext', 'createdAlone']),
  facts: z.custom<MoveFacts>((value) => typeof value === 'object' && value !== null),
});

/** Writes down what earlier runs on this disk got from X and could not store. Resolves to how many there were. */
export async function replayOutcomes(deps: Pick<PublishDeps, 'jobs' | 'spool' | 'report'>): Promise<number> {
  const entries = await deps.spool.entries(outcomeKind);
  for (const { id, entry } of entries) {
    const outcome = SpooledOutcome.safeParse(entry);
    if (outcome.success) {
      const { jobId, name, facts } = outcome.data;
      // Refused when it is known by now, found by reading for instance: then there is nothing left to store.
      await deps.jobs.move(jobId, name, facts);
      deps.report({ jobId, level: 'info', message: 'Stored the outcome of a post from the spool' });
    }
    await deps.spool.drop(id);
  }
  return entries.length;
}
