import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type ProblemCode, ProblemError } from '#libs/problem/problem.ts';
import { compileCache } from './compile-cache.ts';
import type { ImageAnswer, ImageFailure, ImageResults, ImageTask } from './image-task.ts';
import { createSlots } from './slots.ts';

const mebibyte = 1024 * 1024;
/** What a new child may take on top of its first task, to load the decoders on a busy machine. */
const bootTimeoutMs = 10_000;

export interface ImagePoolOptions {
  /** Children at a time; more tasks wait in line. */
  readonly maxChildren?: number;
  /** Resident memory of one child beyond which it is killed, in bytes. */
  readonly maxMemoryBytes?: number;
  /** How long one task may take before its child is killed. */
  readonly taskTimeoutMs?: number;
  /** How long a child without work is kept. */
  readonly idleMs?: number;
}

/** Children that decode and encode pictures. A crash or a hang costs the child and its task, nothing else. */
export interface ImagePool extends AsyncDisposable {
  /**
   * Runs a task in a child.
   * @throws {ProblemError} media_broken, media_too_large; or the signal's reason, the child being killed then
   */
  run<Task extends ImageTask>(task: Task, signal?: AbortSignal): Promise<ImageResults[Task['act']]>;
  /** Process ids of the children that live now. */
  readonly pids: readonly number[];
}

type Reason = ImageFailure['reason'] | 'gone';

/** What a user reads; `WHAT` is a picture or a video. */
const problems: Readonly<Record<Reason, readonly [ProblemCode, string]>> = {
  damaged: ['media_broken', 'The WHAT is damaged or incomplete. Save it anew and send that.'],
  // There may be one of a kind that its reader passes over, as MPEG-2 in a transport stream.
  sound: [
    'media_unsupported',
    'No picture could be found in this file, only sound. Send a video as an MP4 (H.264, AAC), or a picture.',
  ],
  gone: ['media_broken', 'The WHAT could not be decoded in reasonable time. Save it anew and send that.'],
  pixels: ['media_too_large', 'The WHAT has too many pixels. Send a smaller one.'],
  memory: ['media_too_large', 'The WHAT needs too much memory to decode. Send a smaller one.'],
  cpu: ['media_too_large', 'The WHAT takes too long to process. Send a smaller one, or an MP4 video.'],
  size: [
    'media_too_large',
    "The WHAT does not fit within X's limits at a bearable quality. Send a smaller one.",
  ],
  disk: ['storage_full', 'This server has no room left for media. Try again later.'],
  bug: ['internal_error', 'The WHAT could not be processed.'],
};

/** Creates a pool; its children start when there is work and end themselves with this process. */
export function createImagePool(options: ImagePoolOptions = {}): ImagePool {
  const bounds = memoryBounds();
  const maxChildren = options.maxChildren ?? bounds.maxChildren;
  const maxMemoryBytes = options.maxMemoryBytes ?? bounds.maxMemoryBytes;
  const slots = createSlots(maxChildren);
  const children = new Set<ChildProcess>();
  const idle: ChildProcess[] = [];
  const timers = new Map<ChildProcess, NodeJS.Timeout>();
  let lastId = 0;

  function startChild(): ChildProcess {
    const child = fork(
      fileURLToPath(new URL('./image-child.ts', import.meta.url)),
      [String(maxMemoryBytes)],
      {
        // Nothing of our environment, which holds secrets; malloc arenas would keep memory that nobody uses.
        env: { ...compileCache(), MALLOC_ARENA_MAX: '2', VIPS_WARNING: '0' },
        execArgv: ['--max-old-space-size=128', '--max-semi-space-size=1'],
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      },
    );
    children.add(child);
    child.on('error', () => child.kill('SIGKILL'));
    child.on('exit', () => {
      children.delete(child);
      if (idle.includes(child)) idle.splice(idle.indexOf(child), 1);
      clearTimeout(timers.get(child));
      timers.delete(child);
    });
    return child;
  }
  function takeChild(): ChildProcess {
    const child = idle.pop() ?? startChild();
    clearTimeout(timers.get(child));
    child.ref();
    child.channel?.ref();
    return child;
  }
  function discard(child: ChildProcess): void {
    if (idle.includes(child)) idle.splice(idle.indexOf(child), 1);
    child.kill('SIGKILL');
  }
  function giveBack(child: ChildProcess): void {
    if (!child.connected || child.exitCode !== null || child.signalCode !== null) return;
    // A child that waits must not keep this process alive.
    child.unref();
    child.channel?.unref();
    idle.push(child);
    const timer = setTimeout(() => discard(child), options.idleMs ?? 5_000);
    timers.set(child, timer.unref());
  }

  return {
    get pids() {
      return [...children].flatMap(({ pid }) => pid ?? []);
    },
    async run<Task extends ImageTask>(task: Task, signal?: AbortSignal) {
      using _slot = await slots.take(signal);
      const isFresh = idle.length === 0;
      const child = takeChild();
      lastId += 1;
      const timeoutMs = (options.taskTimeoutMs ?? 30_000) + (isFresh ? bootTimeoutMs : 0);
      const answer = await ask(child, { id: lastId, task }, timeoutMs, signal);
      // What a decoder once took it often keeps: the next picture shall not be blamed for it.
      const isAtIt = 'failed' in answer && answer.failed.reason === 'cpu';
      if (isAtIt || answer.memoryBytes > maxMemoryBytes / 2) discard(child);
      else giveBack(child);
      if ('failed' in answer) throw toProblem(task, answer.failed.reason, answer.failed.message);
      // The child answers what the act asks for.
      return answer.done as ImageResults[Task['act']];
    },
    async [Symbol.asyncDispose]() {
      const exits = [...children].map((child) => once(child, 'exit'));
      for (const child of children) {
        // Waited for from here on, idle or not.
        child.ref();
        child.kill('SIGKILL');
      }
      await Promise.all(exits);
    },
  };
}

/** Sends a task and waits for its answer. Whatever ends the wait otherwise ends the child. */
async function ask(
  child: ChildProcess,
  message: { readonly id: number; readonly task: ImageTask },
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ImageAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ImageAnswer>();
  const giveUp = (reason: unknown) => {
    child.kill('SIGKILL');
    reject(reason);
  };
  const onMessage = (answer: ImageAnswer) => answer.id === message.id && resolve(answer);
  const onExit = () => giveUp(toProblem(message.task, 'gone', 'The child is gone'));
  const onAbort = () => giveUp(signal?.reason);
  const timer = setTimeout(
    () => giveUp(toProblem(message.task, 'gone', `No answer in ${timeoutMs} ms`)),
    timeoutMs,
  );
  child.on('message', onMessage).once('exit', onExit);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    child.send(message, (error) => error && giveUp(toProblem(message.task, 'gone', error.message)));
    return await promise;
  } finally {
    clearTimeout(timer);
    child.off('message', onMessage).off('exit', onExit);
    signal?.removeEventListener('abort', onAbort);
  }
}

function toProblem(task: ImageTask, reason: Reason, message: string): ProblemError {
  const [code, detail] = problems[reason];
  const what = task.act === 'probe' ? 'video' : 'picture';
  return new ProblemError(code, detail.replace('WHAT', what), { cause: new Error(message) });
}

/** As many children as there are cores, four at most; fewer, and smaller ones, in a container with little memory. */
function memoryBounds(): { maxChildren: number; maxMemoryBytes: number } {
  const limit = process.constrainedMemory();
  const available = limit > 0 && limit < 2 ** 50 ? limit : Number.POSITIVE_INFINITY;
  const forChildren = Math.max(192 * mebibyte, available - 128 * mebibyte);
  const most = 768 * mebibyte;
  const maxChildren = Math.max(1, Math.min(4, availableParallelism(), Math.floor(forChildren / most)));
  return { maxChildren, maxMemoryBytes: Math.min(most, forChildren / maxChildren) };
}
