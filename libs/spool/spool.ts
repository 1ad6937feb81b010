import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Sealer, UnsealError } from '#libs/sealing/sealing.ts';

/**
 * Results that Redis has not taken yet: local, encrypted, on disk before `append` resolves. Any number of processes
 * may share the folder: each entry is a file of its own, so nobody ever writes into what another one wrote.
 */
export interface Spool extends AsyncDisposable {
  /** Resolves to the entry's id once it is durable. `kind`: lower-case letters and hyphens. */
  append(kind: string, entry: object): Promise<string>;
  /** Forgets an entry, whoever wrote it; an unknown id is fine. */
  drop(id: string): Promise<void>;
  /** Everything kept of one kind, in no particular order. What no configured key opens stays where it is. */
  entries(kind: string): Promise<{ readonly id: string; readonly entry: unknown }[]>;
  /** Seals with the current key what another one sealed. Resolves to the ids of the keys that are not to be had here. */
  reseal(): Promise<string[]>;
}

const suffix = '.sealed';
const idForm = /^[a-z-]+\.[0-9a-f-]{36}$/;
/** An unfinished file this old has no writer any more. */
const abandonedAfterMs = 60_000;

/** Opens the spool in the folder `dir`, which is made if needed. */
export async function openSpool(
  dir: string,
  sealer: Sealer,
  { now = Date.now }: { now?: () => number } = {},
): Promise<Spool> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await removeAbandoned(dir, now());
  const fileOf = (id: string) => join(dir, id + suffix);
  /** Appends on their way, so that closing can wait for them. */
  const writing = new Set<Promise<unknown>>();
  return {
    async append(kind, entry) {
      const id = `${kind}.${randomUUID()}`;
      if (!idForm.test(id)) throw new Error(`Not a kind of spool entry: ${kind}`);
      const write = writeDurably(dir, fileOf(id), sealer.seal(JSON.stringify(entry), contextOf(id)));
      writing.add(write);
      await write.finally(() => writing.delete(write));
      return id;
    },
    async drop(id) {
      if (idForm.test(id)) await rm(fileOf(id), { force: true });
    },
    async entries(kind) {
      const names = (await readdir(dir)).filter(
        (name) => name.startsWith(`${kind}.`) && name.endsWith(suffix),
      );
      const entries: { id: string; entry: unknown }[] = [];
      for (const name of names) {
        const id = name.slice(0, -suffix.length);
        const sealed = await readIfThere(join(dir, name));
        const plain = sealed === null ? null : unseal(sealer, sealed, id);
        if (plain !== null) entries.push({ id, entry: JSON.parse(plain) });
      }
      return entries;
    },
    async reseal() {
      const missing = new Set<string>();
      for (const name of (await readdir(dir)).filter((name) => name.endsWith(suffix))) {
        const id = name.slice(0, -suffix.length);
        const sealed = await readIfThere(join(dir, name));
        if (sealed === null || sealer.kidOf(sealed) === sealer.currentKid) continue;
        const plain = unseal(sealer, sealed, id);
        if (plain === null) missing.add(sealer.kidOf(sealed));
        // Whoever drops the entry in this very moment sees it again: what it tells was recorded, and is known as such.
        else await writeDurably(dir, fileOf(id), sealer.seal(plain, contextOf(id)));
      }
      return [...missing];
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(writing);
    },
  };
}

function contextOf(id: string) {
  return { record: 'spool', account: '', id };
}

/** After this, neither a crash nor a power cut takes the file away, and nobody ever sees half of it. */
async function writeDurably(dir: string, file: string, content: string): Promise<void> {
  const unfinished = `${file}.unfinished`;
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  // The name is durable only when the folder is.
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unseal(sealer: Pick<Sealer, 'open'>, sealed: string, id: string): string | null {
  try {
    return sealer.open(sealed, contextOf(id));
  } catch (error) {
    if (error instanceof UnsealError) return null;
    throw error;
  }
}

/** null: another process has dropped it meanwhile. */
async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function removeAbandoned(dir: string, now: number): Promise<void> {
  const unfinished = (await readdir(dir)).filter((name) => name.endsWith('.unfinished'));
  for (const name of unfinished) {
    const file = join(dir, name);
    const modified = await stat(file).catch(() => null);
    if (modified && now - modified.mtimeMs > abandonedAfterMs) await rm(file, { force: true });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
