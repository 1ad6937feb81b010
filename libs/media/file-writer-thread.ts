/**
 * A thread that writes files and hashes what it writes, so that neither keeps the network waiting.
 * Started by `file-writer.ts`, ended by it.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { parentPort } from 'node:worker_threads';
import type { WriterAnswer, WriterTask } from './file-writer.ts';

interface OpenFile {
  readonly descriptor: number;
  readonly hash: Hash;
}

const files = new Map<number, OpenFile>();

// For the next thread: this one is ended without notice.
flushCompileCache();

parentPort?.on('message', (task: WriterTask) => {
  parentPort?.postMessage(answer(task));
});

function answer(task: WriterTask): WriterAnswer {
  const { ticket } = task;
  try {
    return { ticket, sha256: act(task) };
  } catch (error) {
    const { code = null } = Object(error);
    return { ticket, failed: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

function act(task: WriterTask): string | null {
  if (task.act === 'open') {
    files.set(task.file, { descriptor: openSync(task.path, 'w'), hash: createHash('sha256') });
    return null;
  }
  const file = files.get(task.file);
  if (!file) throw new Error('The file is not open');
  if (task.act === 'write') {
    for (let done = 0; done < task.bytes.length; ) done += writeSync(file.descriptor, task.bytes, done);
    file.hash.update(task.bytes);
    return null;
  }
  files.delete(task.file);
  closeSync(file.descriptor);
  return file.hash.digest('hex');
}
