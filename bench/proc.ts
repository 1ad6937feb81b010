import { readdirSync, readFileSync } from 'node:fs';

const tickMs = 10;

/** A process and all that came of it. Linux alone tells; elsewhere there is only the process itself. */
function family(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

/**
 * Memory in use (bytes) by a process and its children; NaN where nobody tells. Resident memory, where children count with
 * what is theirs alone: the pages of Node.js itself, which they share with their parent, are there once.
 */
export function memoryOf(pid: number): number {
  const [own = Number.NaN, ...children] = family(pid).map((id, index) => {
    const status = read(`/proc/${id}/status`);
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return 1024 * (index === 0 ? kilobytes('VmRSS') : kilobytes('RssAnon') + kilobytes('RssShmem'));
  });
  return children.reduce((sum, bytes) => sum + bytes, own) || Number.NaN;
}

/** CPU time (ms) that a process and its children have used, in steps of 10 ms; NaN where nobody tells. */
export function cpuOf(pid: number): number {
  const times = family(pid).map((id) => {
    // Fields 14 to 17 of proc(5) stat, counted behind the name in brackets.
    const fields = read(`/proc/${id}/stat`)
      .replace(/^.*\) /, '')
      .split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * tickMs, 0);
  });
  return times.reduce((sum, time) => sum + time, 0);
}

/** Samples the memory of a process until it is disposed of. */
export function watchMemory(pid: number) {
  const idle = memoryOf(pid);
  let peak = idle;
  const timer = setInterval(() => {
    const now = memoryOf(pid);
    // It may have ended.
    if (now > peak) peak = now;
  }, 20);
  return {
    /** Bytes above where it began. */
    above: () => peak - idle,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

export const hasProc = readdirSync('/').includes('proc') && read('/proc/self/stat') !== '';

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
