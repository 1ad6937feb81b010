import type { Redis } from 'ioredis';
import { type Job, type MediaItem, recordVersion } from './job.ts';
import { historyLength, tellItem } from './job-history.ts';
import { openKey, recordKey } from './job-keys.ts';
import { type ItemStep, parseJob } from './job-record.ts';
import { jobScript } from './job-script.ts';

/** How long after a claim or a save the sweeper looks whether somebody still works on it. */
const checkAfterMs = 30_000;
/** Claims within this time are doubled entries and no crash: shorter than any lock of the queue. */
const sameStartMs = 2000;

export type SaveItemResult =
  | { readonly saved: false }
  | { readonly saved: true; prepared: boolean; ready: boolean };

/** Who works on a job or on a media item of it: the run that claimed it last, and no other, may write. */
export function createJobClaims(redis: Redis) {
  const claimScript = jobScript(redis, 'claim');
  const saveItemScript = jobScript(redis, 'save-item', { allowOom: true });

  /** Takes the job over for one worker run; null when there is nothing to do any more. */
  async function claim(jobId: string, owner: string): Promise<Job | null> {
    return toJob(
      await claimScript(
        [recordKey(jobId), openKey],
        [jobId, owner, '', recordVersion, checkAfterMs, sameStartMs],
      ),
    );
  }

  /** Takes one media item over; `starts` counts the runs that began on its present stage. */
  async function claimItem(jobId: string, index: number, owner: string) {
    const args = [jobId, owner, index, recordVersion, checkAfterMs, sameStartMs];
    const fields = toObject(await claimScript([recordKey(jobId), openKey], args));
    const job = fields.state === undefined ? null : parseJob(fields);
    return job && { job, starts: Number(fields[`item:${index}:starts`] ?? 0) };
  }

  async function saveItem(
    jobId: string,
    index: number,
    owner: string,
    item: MediaItem,
    { step, passed = false, goesOn = false }: { step: ItemStep; passed?: boolean; goesOn?: boolean },
  ): Promise<SaveItemResult> {
    const [saved, prepared, ready] = (await saveItemScript(
      [recordKey(jobId), openKey],
      [
        jobId,
        index,
        owner,
        JSON.stringify(item),
        step,
        passed ? Number(goesOn) : '',
        checkAfterMs,
        tellItem(index, item),
        historyLength,
      ],
    )) as [number, number | string, number];
    return saved === 1 ? { saved: true, prepared: prepared === 1, ready: ready === 1 } : { saved: false };
  }

  return { claim, claimItem, saveItem };
}

function toObject(answer: unknown): Record<string, string> {
  const list = answer as string[];
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) fields[list[index] ?? ''] = list[index + 1] ?? '';
  return fields;
}

function toJob(answer: unknown): Job | null {
  const fields = toObject(answer);
  return fields.state === undefined ? null : parseJob(fields);
}
