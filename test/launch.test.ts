import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';

const root = join(import.meta.dirname, '..');
const launcher = join(root, 'launch.js');

/** A Node that is too old for us, if this machine has one. */
const olderNode = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .find((file) => existsSync(file) && Number.parseInt(versionOf(file).slice(1), 10) < 24);

function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' });
}

const nodes: [name: string, file: string | undefined][] = [
  ['this Node', process.execPath],
  ['an older Node', olderNode],
];

describe.each(nodes)('the launcher under %s', (_name, node) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'post-to-x-launch-'));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  async function script(source: string): Promise<string> {
    const file = join(folder, `${crypto.randomUUID()}.ts`);
    await writeFile(file, source);
    return relative(root, file);
  }
  function launch(args: readonly string[], variables: Readonly<Record<string, string>> = {}): ChildProcess {
    const { npm_lifecycle_event: _, ...environment } = process.env;
    return spawn(node ?? '', [launcher, ...args], {
      env: { ...environment, ...variables },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
  async function firstLine(child: ChildProcess): Promise<string> {
    const [data] = child.stdout === null ? [] : await once(child.stdout, 'data');
    return String(data).trim();
  }
  const isGone = (pid: number) => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);

  it.skipIf(!node)('runs TypeScript on Node 24 or later, with its arguments and exit code', async () => {
    const source = `const version: string = process.versions.node;
      console.log(JSON.stringify([version.split('.')[0], process.argv.slice(2)])); process.exitCode = 7;`;
    const child = launch([await script(source), '--flag', 'a b']);
    const ended = once(child, 'close');
    const [version, args] = JSON.parse(await firstLine(child));
    expect(Number(version)).toBeGreaterThanOrEqual(24);
    expect(args).toEqual(['--flag', 'a b']);
    expect(await ended).toEqual([7, null]);
  });

  it.skipIf(!node)('passes SIGTERM on and ends as the script does', async () => {
    const source = `process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000); console.log('up');`;
    const child = launch([await script(source)]);
    await firstLine(child);
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([3, null]);
  });

  it.skipIf(!node)('does not leave the script behind when it is killed', async () => {
    const child = launch([await script(`setInterval(() => {}, 1000); console.log(process.pid);`)]);
    const pid = Number(await firstLine(child));
    child.kill('SIGKILL');
    await once(child, 'close');
    await eventually(() => isGone(pid));
  });

  it.skipIf(!node)('does not outlive an npm that was killed', async () => {
    const file = await script(`setInterval(() => {}, 1000); console.log(process.pid);`);
    const npm = spawn('/bin/sh', ['-c', `"$0" "$@" & wait`, node ?? '', launcher, file], {
      env: { ...process.env, npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(await firstLine(npm));
    npm.kill('SIGKILL');
    await once(npm, 'exit');
    await eventually(() => isGone(pid));
  });

  it.skipIf(!node)('says how it is used when it is not told what to run', async () => {
    const child = launch([]);
    expect((await once(child, 'close'))[0]).toBe(2);
  });
});
