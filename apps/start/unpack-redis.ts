import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const packageName = 'redis-server';

interface Unpacking {
  readonly cacheDir: string;
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
export async function unpackedRedis({ cacheDir, say }: Unpacking): Promise<Unpacked | { failure: string }> {
  const folder = join(cacheDir, packageName);
  const known = await programIn(folder);
  if (known) return known;
  if (!(await runs('apt-get', ['--version'])) || !(await runs('dpkg-deb', ['--version'])))
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
  let packages = await missingPackages();
  if (packages.length === 0) {
    // Fresh containers have no package lists; only root may fetch them.
    await run('apt-get', ['update', '-qq'], { timeout: 120_000 });
    packages = await missingPackages();
  }
  if (packages.length === 0) throw new Error(`apt-get knows no package ${packageName}`);
  await run('apt-get', ['download', '-qq', ...packages], { cwd: work, timeout: 120_000 });
  for (const name of await readdir(work))
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', name, 'root'], { cwd: work, timeout: 60_000 });
}

/** The package and those that it depends on, without the ones that are installed (the C library always is). */
async function missingPackages(): Promise<string[]> {
  const listed = await run('apt-cache', [
    ...['depends', '--recurse', '--no-recommends', '--no-suggests', '--no-conflicts', '--no-breaks'],
    ...['--no-replaces', '--no-enhances', packageName],
  ]).catch(() => ({ stdout: '' }));
  const names = new Set(listed.stdout.split('\n').filter((line) => /^[a-z0-9]/.test(line)));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const installed = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package}\n']);
  for (const line of installed.stdout.split('\n'))
    if (line.startsWith('installed ') && !line.includes('redis'))
      names.delete(line.slice('installed '.length));
  return [...names].filter((name) => /redis|^lib|^lua/.test(name));
}

async function programIn(folder: string): Promise<Unpacked | null> {
  const file = join(folder, 'usr/bin/redis-server');
  const libraries = join(folder, 'usr/lib');
  try {
    await stat(file);
    const folders = (await readdir(libraries)).filter((name) => name.includes('-linux-'));
    return { file, libraryPath: folders.map((name) => join(libraries, name)).join(':') };
  } catch {
    return null;
  }
}

async function runs(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, args, { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

function lastLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const text = said || (error instanceof Error ? error.message : String(error));
  return text.split('\n').at(-1)?.trim() ?? '';
}
