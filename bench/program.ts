import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A process of its own, so that contenders do not share memory, a heap or an event loop. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  /** From its start until it said that it is ready. */
  readonly readyMs: number;
  /** The address in its line that says that it is ready, if any. */
  readonly url: string;
  /** The last line it has printed; after its end, if it ends by itself. */
  readonly result: Promise<string>;
}

const root = join(import.meta.dirname, '..');
/** Characters of what a program has printed. */
const mostKept = 20_000;

/**
 * Starts a file of this project under the same Node.js and waits for a line with "is ready", or for its end.
 * Compiled code is kept between starts, as `npm start` does.
 */
export async function startProgram(
  file: string,
  args: readonly (string | number)[] = [],
  environment: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<Program> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...flags, join(root, file), ...args.map(String)], {
    env: {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile'),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ready = Promise.withResolvers<{ readyMs: number; url: string }>();
  let isReady = false;
  let printed = '';
  // What comes later may be a long log: to look at its lines would be work of the one who measures.
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-mostKept);
    const line = isReady ? undefined : /^.*is ready.*\n/m.exec(printed)?.[0];
    if (line === undefined) return;
    isReady = true;
    const url = /https?:\/\/[\w.:]+/.exec(line)?.[0] ?? '';
    ready.resolve({ readyMs: performance.now() - startedAt, url });
  });
  const ended = once(child, 'close');
  const result = ended.then(([code]) => {
    const last = printed.trimEnd().split('\n').at(-1) ?? '';
    if (code !== 0 && code !== null) throw new Error(`${file} ended with ${code}: ${last}`);
    ready.resolve({ readyMs: performance.now() - startedAt, url: '' });
    return last;
  });
  result.catch((error: unknown) => ready.reject(error));
  const facts = await ready.promise;
  return {
    ...facts,
    pid: child.pid ?? 0,
    result,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
