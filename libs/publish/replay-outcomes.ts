import { z } from 'zod';
import type { MoveFacts } from '#libs/jobs/job-store.ts';
import { planCreatedLate } from './outcome-plan.ts';
import type { PublishDeps } from './publisher.ts';
import { outcomeKind } from './record-outcome.ts';

const SpooledOutcome = z.object({
  jobId: z.string(),
  accountId: z.string(),
  name: z.enum(['created', 'createdNext', 'createdAlone', 'createdLate']),
  facts: z.custom<MoveFacts>((value) => typeof value === 'object' && value !== null),
});

/** Writes down what earlier runs on this disk got from X and could not store. Resolves to how many there were. */
export async function replayOutcomes(deps: Pick<PublishDeps, 'jobs' | 'spool' | 'report'>): Promise<number> {
  const entries = await deps.spool.entries(outcomeKind);
  for (const { id, entry } of entries) {
    const outcome = SpooledOutcome.safeParse(entry);
    // In words of a later version, which will find it here.
    if (!outcome.success) continue;
    await replay(deps, outcome.data);
    await deps.spool.drop(id);
  }
  return entries.length;
}

type Deps = Pick<PublishDeps, 'jobs' | 'report'>;

async function replay({ jobs, report }: Deps, outcome: z.output<typeof SpooledOutcome>): Promise<void> {
  const { jobId, name, facts } = outcome;
  let result = await jobs.move(jobId, name, facts);
  const late = !result.done && result.reason === 'state' ? planCreatedLate(outcome) : null;
  if (late) result = await jobs.move(jobId, late.name, late.facts);
  if (result.done) report({ jobId, level: 'info', message: 'Stored the outcome of a post from the spool' });
  else if (result.reason === 'gone')
    report({
      jobId,
      level: 'error',
      message: 'X has a post of this job, and Redis does not know the job any more',
    });
  // Anything else: it is known by now, found by reading for instance.
}
