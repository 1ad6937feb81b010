import { mkdir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Room } from './save-body.ts';

export interface MediaStoreOptions {
  readonly dataDir: string;
  /** What all folders together may hold, in bytes. */
  readonly maxBytes?: number;
  /** What must stay free on the volume, in bytes: Redis may write its log there too. */
  readonly minFreeBytes?: number;
  /** Free bytes of the volume that a path is on. */
  readonly freeBytes?: (path: string) => Promise<number>;
  readonly now?: () => number;
}

/** Room on disk, held until disposed: admitted bytes count as taken although they are not written yet. */
export type AdmittedRoom = Room & Disposable;

/** The bytes in work: one folder per job, shared by all processes on one volume. */
export interface MediaStore {
  /** The folder of a job, made when it is missing. */
  folder(jobId: string): Promise<string>;
  /** Deletes a job's folder with all that is in it; a missing one is fine. */
  remove(jobId: string): Promise<void>;
  /**
   * Admits bytes before they are written.
   * @throws {ProblemError} storage_full
   */
  admit(bytes: number): Promise<AdmittedRoom>;
  /**
   * Deletes the folders that belong to no open job and says how many. A folder that was written to within the last
   * minute stays: its job may not be stored yet.
   */
  janitor(isOpen: (jobId: string) => Promise<boolean>): Promise<number>;
}

const gibibyte = 1024 ** 3;
const freshMs = 60_000;

/** Creates the store under `dataDir`/media. */
export function createMediaStore(options: MediaStoreOptions): MediaStore {
  const root = join(options.dataDir, 'media');
  const maxBytes = options.maxBytes ?? 16 * gibibyte;
  const minFreeBytes = options.minFreeBytes ?? gibibyte / 4;
  const freeBytes = options.freeBytes ?? freeOnVolume;
  const now = options.now ?? Date.now;
  /** Admitted and not written yet, by this process. */
  let pendingBytes = 0;
  let turn: Promise<unknown> = Promise.resolve();

  async function grow(bytes: number): Promise<void> {
    await mkdir(root, { recursive: true });
    const [free, used] = await Promise.all([freeBytes(root), usedBytes(root)]);
    if (free - pendingBytes - bytes < minFreeBytes || used + pendingBytes + bytes > maxBytes)
      throw new ProblemError('storage_full', 'This server has no room left for media. Try again later.');
    pendingBytes += bytes;
  }
  /** One at a time: two that look at the same free space would both take it. */
  function inTurn(act: () => Promise<void>): Promise<void> {
    const result = turn.then(act);
    turn = result.catch(() => {});
    return result;
  }
  function createRoom(): AdmittedRoom {
    let heldBytes = 0;
    const release = (bytes: number) => {
      const released = Math.min(bytes, heldBytes);
      heldBytes -= released;
      pendingBytes -= released;
    };
    return {
      async grow(bytes) {
        await inTurn(() => grow(bytes));
        heldBytes += bytes;
      },
      wrote: release,
      [Symbol.dispose]: () => release(heldBytes),
    };
  }

  return {
    async folder(jobId) {
      const folder = join(root, checkJobId(jobId));
      await mkdir(folder, { recursive: true });
      return folder;
    },
    async remove(jobId) {
      await rm(join(root, checkJobId(jobId)), { recursive: true, force: true });
    },
    async admit(bytes) {
      const room = createRoom();
      await room.grow(bytes);
      return room;
    },
    async janitor(isOpen) {
      let removed = 0;
      for (const jobId of await listFolder(root)) {
        if ((await changedAt(join(root, jobId))) > now() - freshMs || (await isOpen(jobId))) continue;
        await rm(join(root, jobId), { recursive: true, force: true });
        removed += 1;
      }
      return removed;
    },
  };
}

function checkJobId(jobId: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(jobId)) throw new TypeError('A job id is letters, digits, _ and -');
  return jobId;
}

async function freeOnVolume(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

async function usedBytes(path: string): Promise<number> {
  const sizes = await statAll(path);
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

/** When a folder, or a file in it, was last written to; epoch ms. */
async function changedAt(path: string): Promise<number> {
  const changes = await statAll(path);
  return Math.max(0, ...changes.map(({ mtimeMs }) => mtimeMs));
}

/** The folder itself and everything in it; what vanishes meanwhile is left out. */
async function statAll(path: string): Promise<{ size: number; mtimeMs: number }[]> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  const stats = await Promise.all(['', ...names].map((name) => stat(join(path, name)).catch(() => null)));
  return stats.filter((entry) => entry !== null).map(({ size, mtimeMs }) => ({ size, mtimeMs }));
}

async function listFolder(path: string): Promise<string[]> {
  return await readdir(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
}
