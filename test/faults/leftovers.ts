import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { JobView } from '#libs/jobs/job-view.ts';
import { findOrphans, type SeenProcess } from '../../bench/nemesis/orphans.ts';

interface Places {
  readonly redis: Redis;
  readonly dataDir: string;
}

/**
 * What is left of a job some seconds after its end, although nobody needs it any more: files, entries of the spool, its
 * name in a list, records that nothing would ever remove. A job that is `unconfirmed` keeps what a late find needs.
 */
export async function leftoversOf(
  places: Places,
  { job, accountId }: { job: Pick<JobView, 'job_id' | 'status'>; accountId: string },
): Promise<string[]> {
  for (let turn = 1; ; turn++) {
    const found = [
      ...(await onDisk(places.dataDir, job)),
      ...(await inLists(places.redis, job, accountId)),
      ...(await withoutEnd(places.redis, job.job_id)),
    ];
    if (found.length === 0 || turn === 40) return found;
    await pass(250);
  }
}

async function onDisk(
  dataDir: string,
  { job_id, status }: Pick<JobView, 'job_id' | 'status'>,
): Promise<string[]> {
  const list = (folder: string) => readdir(join(dataDir, folder)).catch(() => []);
  const folders = status === 'unconfirmed' ? [] : (await list('media')).filter((name) => name === job_id);
  return [...folders.map((name) => `media/${name}`), ...(await list('spool')).map((name) => `spool/${name}`)];
}

async function inLists(
  redis: Redis,
  { job_id, status }: Pick<JobView, 'job_id' | 'status'>,
  accountId: string,
): Promise<string[]> {
  const sorted = [`lane:${accountId}`, ...(status === 'unconfirmed' ? [] : ['jobs:open'])];
  const held = await Promise.all(sorted.map((key) => redis.zscore(key, job_id)));
  const isOpen = await redis.sismember(`open:${accountId}`, job_id);
  return [...sorted.filter((_, index) => held[index] !== null), ...(isOpen ? [`open:${accountId}`] : [])];
}

/** Records of the job that would stay for ever. */
async function withoutEnd(redis: Redis, jobId: string): Promise<string[]> {
  const keys = ['', ':history', ':calls'].map((part) => `job:${jobId}${part}`);
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
  return keys.filter((_, index) => lives[index] === -1);
}

/** Watches for processes that outlive the worker which started them, however it ends (Linux alone). */
export function watchChildren() {
  const seen: SeenProcess[] = [];
  return {
    /** Before the process ends: whatever it has started by now must end with it. */
    note(pid: number | undefined): void {
      const children = tryRead(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
      for (const child of children) {
        const stat = tryRead(`/proc/${child}/stat`);
        // Field 22 (proc_pid_stat(5)), counted from behind the name, which may hold anything.
        const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
        if (startedAt !== undefined) seen.push({ pid: Number(child), startedAt });
      }
    },
    orphans: () => findOrphans(seen),
  };
}

function tryRead(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
