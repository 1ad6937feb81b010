import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** `npm start` as a person runs it. */
export interface NpmStart {
  readonly process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Resolves with the address of the API when it says that it is ready; rejects when it ends before. */
  readonly ready: Promise<string>;
  /** Resolves when it has ended and nobody holds its output any more: no process of it is left then. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Runs an npm script of this project with these variables and no others that configure it. */
export function runNpm(args: readonly string[], variables: Readonly<Record<string, string>>): NpmStart {
  const child = spawn('npm', args, {
    cwd: join(import.meta.dirname, '..'),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      // A .env file that happens to lie here must not change the test.
      ...{ CLIENT_ID: '', CLIENT_SECRET: '', REDIS_URL: '', HOST: '', PUBLIC_URL: '', X_API_URL: '' },
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += stripVTControlCharacters(part);
      const found = /Ready after .* at (http\S+)/.exec(text)?.[1];
      if (found) ready.resolve(found);
    });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  void ended.then(() => ready.reject(new Error(`It ended before it was ready:\n${text}`)));
  ready.promise.catch(() => {});
  return { process: child, output: () => text, ready: ready.promise, ended };
}
