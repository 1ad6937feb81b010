import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const packageName = 'redis-server';

interface Unpacking {
  readonly cacheDir: string;
  /** Where apt-get is looked for; without it, the PATH of this process. */
  readonly path?: string | undefined;
  readonly say: (line: string) => void;
}

interface Unpacked {
  readonly file: string;
  readonly libraryPath: string;
}

/**
 * Debian's and Ubuntu's own Redis package, downloaded and unpacked into `cacheDir`: nothing is installed and
 * no root is needed. Kept there, so that the next start finds it at once.
 */
export async function unpackedRedis({
  cacheDir,
  path,
  say,
}: Unpacking): Promise<Unpacked | { failure: string }> {
  const folder = join(cacheDir, packageName);
  const known = await programIn(folder);
  if (known) return known;
  if (!(await runs('apt-get', ['--version'], path)) || !(await runs('dpkg-deb', ['--version'], path)))
    return { failure: 'This system has no apt-get to fetch it with.' };
  say("Unpacking Debian's redis-server package for this project (nothing is installed) …");
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, 'unpack-'));
  try {
    await unpackInto(work);
    // Another process may have been faster: what stands there then is just as good.
    await rename(join(work, 'root'), folder).catch(() => {});
  } catch (error) {
    return { failure: `Fetching it with apt-get did not work (${lastLine(error)}).` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return (await programIn(folder)) ?? { failure: 'The package that apt-get fetched holds no redis-server.' };
}

async function unpackInto(work: string): Promise<void> {
  try {
    await download(work);
  } catch {
    // Fresh containers have no package lists, old machines have stale ones; only root may fetch them.
    await run('apt-get', ['update', '-qq'], { timeout: 120_000 }).catch(() => {});
    await download(work);
  }
  for (const name of await readdir(work))
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', name, 'root'], { cwd: work, timeout: 60_000 });
}

/** The package and those that it needs and that are not installed: what apt-get would install. */
async function download(work: string): Promise<void> {
  const args = ['--simulate', '--no-install-recommends', 'install', packageName];
  const plan = await run('apt-get', args, { timeout: 60_000 });
  const names = [...plan.stdout.matchAll(/^Inst (\S+)/gm)].flatMap(([, name]) => name ?? []);
  if (names.length === 0) throw new Error(`${packageName} counts as installed and cannot be run`);
  await run('apt-get', ['download', '-qq', ...names], { cwd: work, timeout: 120_000 });
}

async function programIn(folder: string): Promise<Unpacked | null> {
  const file = join(folder, 'usr/bin/redis-server');
  try {
    await stat(file);
    const found: string[] = [];
    for (const libraries of [join(folder, 'usr/lib'), join(folder, 'lib')])
      for (const name of await readdir(libraries).catch(() => []))
        if (name.includes('-linux-')) found.push(join(libraries, name));
    return { file, libraryPath: found.join(':') };
  } catch {
    return null;
  }
}

async function runs(program: string, args: readonly string[], path?: string): Promise<boolean> {
  return run(program, args, { timeout: 10_000, ...(path !== undefined && { env: { PATH: path } }) }).then(
    () => true,
    () => false,
  );
}

function lastLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const text = said || (error instanceof Error ? error.message : String(error));
  return text.split('\n').at(-1)?.trim() ?? '';
}
