import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { StartError } from './start-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface ChildOptions {
  readonly name: string;
  /** Path of its `main.ts`. */
  readonly script: string;
  /** Flags of Node.js. */
  readonly flags?: readonly string[];
  /** Asked for at each start; `url`: where it listened before, so that it can come back there. */
  readonly environment: (url: string | undefined) => Environment;
  /** It says where it listens. A first run that ends without having said so is the last one. */
  readonly listens: boolean;
  /** Each line that it prints. */
  readonly print: (line: string) => void;
  /** Each sentence about it. */
  readonly say: (line: string) => void;
}

/** A process of ours that is started again whenever it ends by itself. Disposing stops it and waits for its end. */
export interface Child extends AsyncDisposable {
  /** Where it listens, as it says itself; rejects with a StartError when its first run ends before. */
  readonly listening: Promise<string>;
  /** The present run. */
  readonly pid: number | undefined;
  kill(signal: NodeJS.Signals): void;
}

const Listening = z.object({ type: z.literal('listening'), url: z.url() });

/** Starts it; it ends with this process, however this process ends (`with-parent.ts`). */
export function startChild(options: ChildOptions): Child {
  const { name, say } = options;
  const stopping = new AbortController();
  const listening = Promise.withResolvers<string>();
  listening.promise.catch(() => {});
  let url: string | undefined;
  let child = run(options, url, onListening);
  function onListening(at: string) {
    url = at;
    listening.resolve(at);
  }
  const supervise = async () => {
    for (let failures = 1; ; failures += 1) {
      const startedAt = Date.now();
      const how = await endOf(child);
      listening.reject(
        new StartError(`The ${name} process ${how} before it was ready: see its lines above.`),
      );
      if (stopping.signal.aborted || (options.listens && url === undefined)) return;
      if (Date.now() - startedAt > 60_000) failures = 1;
      const delayMs = Math.min(250 * 2 ** failures, 30_000);
      say(`The ${name} process ${how}: starting it again in ${delayMs / 1000} s.`);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      child = run(options, url, onListening);
    }
  };
  const supervised = supervise();
  return {
    listening: listening.promise,
    get pid() {
      return child.pid;
    },
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      child.kill('SIGTERM');
      // Longer than any of them may take to finish what it is in the middle of.
      const impatient = setTimeout(() => child.kill('SIGKILL'), 45_000);
      await supervised;
      clearTimeout(impatient);
    },
  };
}

function run(
  options: ChildOptions,
  url: string | undefined,
  onListening: (url: string) => void,
): ChildProcess {
  const { script, flags = [], environment, print } = options;
  const child = fork(script, [], {
    execArgv: [...flags, '--import', import.meta.resolve('./with-parent.ts')],
    env: { ...environment(url) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A process group of its own: Ctrl-C in the terminal reaches `npm start` alone, which stops all in order.
    detached: true,
  });
  for (const input of [child.stdout, child.stderr])
    if (input !== null) createInterface({ input }).on('line', print);
  child.on('error', (error) => print(error.message));
  child.on('message', (message) => {
    const parsed = Listening.safeParse(message);
    if (parsed.success) onListening(parsed.data.url);
  });
  return child;
}

/** Waits for its end and says how it came about. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('close', (code, signal) =>
      resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
    );
  });
}
