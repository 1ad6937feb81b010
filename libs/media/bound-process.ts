import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** A program that runs no longer than this process does. */
export interface BoundProcess {
  /** Its first line is `pid=` and the program's process id; what the program prints follows. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit code, as a shell has it: 126 and 127 where it cannot be started, 137 once it was ended. */
  readonly exitCode: Promise<number>;
  /** Ends it at once. */
  end(): void;
}

/**
 * A shell waits beside the program for the end of its own input, which only this process holds: whatever ends this
 * process, SIGKILL too, ends the program. Until it is waited for, its process id belongs to nobody else. What is told
 * to stop with everything else is the program, not the shell, which is needed until then.
 */
const script =
  '"$@" </dev/null & trap "" HUP INT TERM; echo "pid=$!"; exec >/dev/null 2>&1; read -r _; kill -9 $!; wait $!';

/**
 * Starts a program with nothing of our environment but `environment`, and out of the reach of a terminal's Ctrl-C.
 * Rejects where this process may start none, or open no more files, with what the system says.
 */
export async function startBound(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<BoundProcess> {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    '/bin/sh',
    ['-c', script, 'sh', command, ...args],
    { env: environment, stdio: ['pipe', 'pipe', 'pipe'], detached: true },
  );
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('close', (code) => resolve(code ?? 137));
  // Until then it may have no pipes.
  await once(child, 'spawn');
  const end = () => child.stdin.destroy();
  // The shell has let go of it: it closes with the program.
  child.stderr.once('end', end);
  return { stdout: child.stdout, stderr: child.stderr, exitCode: promise, end };
}
