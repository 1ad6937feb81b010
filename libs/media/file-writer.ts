import { Worker } from 'node:worker_threads';
import { compileCache } from './compile-cache.ts';

type Act =
  | { readonly act: 'open'; readonly path: string }
  | { readonly act: 'write'; readonly bytes: Uint8Array }
  | { readonly act: 'close' };

/** What the thread is asked to do; `ticket` comes back with its answer. */
export type WriterTask = Act & { readonly ticket: number; readonly file: number };

export type WriterAnswer =
  | { readonly ticket: number; readonly sha256: string | null }
  | { readonly ticket: number; readonly failed: { readonly code: string | null; readonly message: string } };

/** A file that is being written from its start. Errors carry the system's code, as in `ENOSPC`. */
export interface WritingFile extends AsyncDisposable {
  /** Writes memory that threads share, after all before it; it must stay as it is until this resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes the file. Resolves to the SHA-256 of all that was written, in hexadecimal. */
  finish(): Promise<string>;
}

/** Writes and hashes files in one thread beside this one, which starts with the first file. */
export interface FileWriter extends AsyncDisposable {
  /** Starts the thread, so that it is there when the first file is. */
  start(): void;
  /** Creates the file, or empties it. */
  open(path: string): Promise<WritingFile>;
}

interface Waiting {
  readonly resolve: (sha256: string | null) => void;
  readonly reject: (error: Error) => void;
}

/** Creates a writer. Its thread keeps no process alive. */
export function createFileWriter(): FileWriter {
  let thread: Worker | null = null;
  let last = 0;
  const waiting = new Map<number, Waiting>();

  function startThread(): Worker {
    const started = new Worker(new URL('./file-writer-thread.ts', import.meta.url), {
      env: compileCache(),
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 },
    });
    started.on('message', settle);
    started.on('error', () => {});
    started.on('exit', () => {
      thread = null;
      for (const { reject } of waiting.values()) reject(new Error('The thread that writes files has ended'));
      waiting.clear();
    });
    started.unref();
    return started;
  }
  function settle(answer: WriterAnswer): void {
    const entry = waiting.get(answer.ticket);
    waiting.delete(answer.ticket);
    if ('failed' in answer)
      entry?.reject(Object.assign(new Error(answer.failed.message), { code: answer.failed.code }));
    else entry?.resolve(answer.sha256);
  }
  async function ask(file: number, act: Act): Promise<string | null> {
    thread ??= startThread();
    last += 1;
    const { promise, resolve, reject } = Promise.withResolvers<string | null>();
    waiting.set(last, { resolve, reject });
    // Whoever waits for a file wants the process to live until it is there.
    thread.ref();
    thread.postMessage({ ...act, ticket: last, file } satisfies WriterTask);
    return await promise.finally(() => {
      if (waiting.size === 0) thread?.unref();
    });
  }

  return {
    start() {
      thread ??= startThread();
    },
    async open(path) {
      last += 1;
      const file = last;
      let isOpen = true;
      await ask(file, { act: 'open', path });
      const openedIn = thread;
      const close = async () => {
        isOpen = false;
        return (await ask(file, { act: 'close' })) ?? '';
      };
      return {
        write: async (bytes) => void (await ask(file, { act: 'write', bytes })),
        finish: close,
        async [Symbol.asyncDispose]() {
          // Where the thread has ended, its files are closed.
          if (isOpen && thread === openedIn) await close();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await thread?.terminate();
    },
  };
}
