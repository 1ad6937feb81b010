/**
 * A process of its own that reads media of strangers: what a file does to a decoder, it does here.
 * Started by `image-pool.ts`, spoken to over its IPC channel, ended by being killed.
 */
import { writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { DoesNotFitError, NoPictureError, TooManyPixelsError } from './decode-errors.ts';
import type { ImageAnswer, ImageFailure, ImageResults, ImageTask } from './image-task.ts';

type Outcome = { readonly done: ImageResults[keyof ImageResults] } | { readonly failed: ImageFailure };

function start(): void {
  const maxMemoryBytes = Number(process.argv[2]);
  let current = 0;
  let mayTakeMs = Number.POSITIVE_INFINITY;
  let begun = process.cpuUsage();
  volunteerForOom();
  // Nobody to answer to any more. `exit` would wait for the decoder's threads.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.on('message', (message: { id: number; task: ImageTask }) => {
    current = message.id;
    mayTakeMs = ('maxCpuMs' in message.task && message.task.maxCpuMs) || Number.POSITIVE_INFINITY;
    begun = process.cpuUsage();
    void answer(message.id, message.task);
  });
  // Decoders work in threads, so this one is free to watch what they take.
  setInterval(() => {
    const { user, system } = process.cpuUsage(begun);
    if (process.memoryUsage.rss() >= maxMemoryBytes)
      reply(current, { failed: { reason: 'memory', message: 'Needs too much memory' } });
    else if ((user + system) / 1000 >= mayTakeMs)
      reply(current, {
        failed: { reason: 'cpu', message: `Takes more than ${mayTakeMs} ms of the processor` },
      });
  }, 20).unref();
}

async function answer(id: number, task: ImageTask): Promise<void> {
  try {
    reply(id, { done: await act(task) });
  } catch (error) {
    reply(id, { failed: toFailure(error, task) });
  }
  keepCompiled(task);
}

const compiled = new Set<string>();

/** Keeps what was compiled for the children to come: at its end, which is a sudden one, this process no longer could. */
function keepCompiled(task: ImageTask): void {
  const what = task.act === 'probe' || task.act === 'load' ? 'video' : 'picture';
  if (!compiled.has(what)) flushCompileCache();
  compiled.add(what);
}

/** What reads pictures and what reads videos is loaded when the first one comes: most children see only one kind. */
async function act(task: ImageTask): Promise<ImageResults[keyof ImageResults]> {
  if (task.act !== 'probe' && task.act !== 'load')
    return await (await import('./image-work.ts')).workOnImage(task);
  const { probeVideo } = await import('./probe-video.ts');
  return task.act === 'probe' ? await probeVideo(task) : {};
}

function toFailure(error: unknown, task: ImageTask): ImageFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NoPictureError) return { reason: 'sound', message };
  if (error instanceof DoesNotFitError) return { reason: 'size', message };
  if (error instanceof TooManyPixelsError || /exceeds pixel limit/i.test(message))
    return { reason: 'pixels', message };
  if (/out of memory|memory allocation|unable to allocate/i.test(message))
    return { reason: 'memory', message };
  if (/ENOSPC|EDQUOT|No space left/.test(message)) return { reason: 'disk', message };
  // A parser of videos that stumbles throws whatever comes; libvips always throws a plain error.
  const isOurs = task.act !== 'probe' && (error instanceof TypeError || error instanceof ReferenceError);
  const isSystem = error instanceof Error && 'syscall' in error;
  if (isOurs || isSystem) return { reason: 'bug', message: error.stack ?? message };
  return { reason: 'damaged', message };
}

function reply(id: number, outcome: Outcome): void {
  process.send?.({ id, memoryBytes: process.memoryUsage.rss(), ...outcome } satisfies ImageAnswer);
}

/** On Linux, where memory runs out, the kernel takes this process and not its parent. */
function volunteerForOom(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // No such file elsewhere.
  }
}

start();
