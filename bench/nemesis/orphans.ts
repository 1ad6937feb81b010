import { readFile } from 'node:fs/promises';
import { setTimeout as pass } from 'node:timers/promises';

/** A process, told from a later one of the same number by when it began. */
export interface SeenProcess {
  readonly pid: number;
  readonly startedAt: string;
}

/** The children that a process has now (Linux alone; elsewhere none are seen). */
export async function noteChildren(pid: number | undefined): Promise<SeenProcess[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const seen = list
    .split(' ')
    .filter(Boolean)
    .map(async (word) => ({ pid: Number(word), startedAt: (await startOf(Number(word))) ?? '' }));
  return (await Promise.all(seen)).filter(({ startedAt }) => startedAt !== '');
}

/** Those that outlive their parents; given a moment to notice. */
export async function findOrphans(seen: readonly SeenProcess[]): Promise<SeenProcess[]> {
  for (let turn = 0; ; turn++) {
    const alive = await Promise.all(
      seen.map(async ({ pid, startedAt }) => (await startOf(pid)) === startedAt),
    );
    const orphans = seen.filter((_, index) => alive[index]);
    if (orphans.length === 0 || turn === 20) return orphans;
    await pass(250);
  }
}

/** Memory of a process in MiB. */
export async function memoryOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** Field 22 of /proc/<pid>/stat (proc_pid_stat(5)); null for one that has ended. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || state === 'Z' ? null : (rest[18] ?? null);
}
