import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder for the bytes of uploads: the given one, or a new one, which takes away those of simulators that were killed. */
export async function createMediaFolder(given: string | null): Promise<string> {
  if (given !== null) {
    await mkdir(given, { recursive: true });
    return given;
  }
  for (const name of await readdir(tmpdir())) {
    const pid = /^x-simulator-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
  return mkdtemp(join(tmpdir(), `x-simulator-${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process of somebody else is alive too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
