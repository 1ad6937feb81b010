#!/usr/bin/env node
// Every script goes through here. The TypeScript runs as it stands, which needs Node 24; where `node` is older,
// this fetches Node 24 from the package registry (npx caches it) and runs the same command again under it.
// Usage: node launch.js <file.ts | name of an installed command> [arguments…]
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const wanted = 24;
const root = dirname(fileURLToPath(import.meta.url));
const [target, ...rest] = process.argv.slice(2);
if (!target) {
  console.error('usage: node launch.js <file.ts | command> [arguments]');
  process.exit(2);
}

if (!existsSync(join(root, 'node_modules', 'zod'))) {
  console.error('The packages that this needs are not installed yet: run `npm ci` first.');
  process.exit(1);
}

// Under npm: when that is killed it cannot pass anything on, and what it started must not live on by itself.
if (process.env.npm_lifecycle_event) {
  const npm = process.ppid;
  setInterval(() => process.ppid !== npm && process.kill(process.pid, 'SIGKILL'), 200).unref();
}

if (Number.parseInt(process.versions.node, 10) >= wanted) {
  // Under the launcher of an older Node: when that is killed, this process must not live on by itself.
  if (process.env.LAUNCHED_BY_OLDER_NODE && process.channel) {
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    process.channel.unref();
    delete process.env.LAUNCHED_BY_OLDER_NODE;
  }
  const script = /\.(ts|js|mjs)$/.test(target)
    ? join(root, target)
    : realpathSync(join(root, 'node_modules', '.bin', target));
  process.argv = [process.execPath, script, ...rest];
  // Compiled code is kept for the next start, of the processes that this one starts too. Where nothing can be written
  // there, all works as well, and starts take longer.
  process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules', '.cache', 'node-compile');
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  await import(pathToFileURL(script).href);
} else {
  const node = findNode();
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), target, ...rest], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      LAUNCHED_BY_OLDER_NODE: '1',
      PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to the whole process group by itself; a supervisor signals this process alone.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** The path of a Node 24: the one found before, or a new one from the package registry. */
function findNode() {
  const note = join(root, 'node_modules', '.cache', 'node24-path');
  if (existsSync(note)) {
    const known = readFileSync(note, 'utf8');
    if (existsSync(known)) return known;
  }
  console.error(
    `Node ${process.versions.node} is installed, this runs on Node ${wanted}: fetching it with npx (once).`,
  );
  try {
    const args = ['-y', '-p', `node@${wanted}`, '--', 'node', '-p', 'process.execPath'];
    const path = execFileSync('npx', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    mkdirSync(dirname(note), { recursive: true });
    writeFileSync(note, path);
    return path;
  } catch {
    console.error(
      `Could not fetch Node ${wanted}. Install it (nodejs.org) or let npm reach a package registry, then try again.`,
    );
    process.exit(1);
  }
}
