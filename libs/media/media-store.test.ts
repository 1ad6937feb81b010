import { existsSync } from 'node:fs';
import { mkdtempDisposable, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMediaStore } from './media-store.ts';

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'media-store-'));

describe('createMediaStore', () => {
  it('keeps one folder per job and deletes it whole', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path });
    const folder = await store.folder('job_1');
    expect(folder).toBe(join(data.path, 'media', 'job_1'));
    expect(await store.folder('job_1')).toBe(folder);
    await writeFile(join(folder, '0'), 'bytes');
    await store.remove('job_1');
    await store.remove('job_1');
    expect(await readdir(join(data.path, 'media'))).toEqual([]);
  });

  it.each(['', '..', '../x', 'a/b', 'a\0', 'ä'])('does not take %j as a job id', async (jobId) => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path });
    await expect(store.folder(jobId)).rejects.toThrow(TypeError);
    await expect(store.remove(jobId)).rejects.toThrow(TypeError);
  });

  it('admits bytes only while the volume keeps its reserve, those not written yet included', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path, minFreeBytes: 100, freeBytes: async () => 1_000 });
    using first = await store.admit(600);
    await expect(store.admit(400)).rejects.toMatchObject({ code: 'storage_full' });
    // What is written shows in the free space from then on.
    first.wrote(300);
    using second = await store.admit(400);
    await expect(second.grow(300)).rejects.toMatchObject({ code: 'storage_full' });
  });

  it('gives room back when it is disposed, once', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path, minFreeBytes: 0, freeBytes: async () => 1_000 });
    const room = await store.admit(900);
    room[Symbol.dispose]();
    room[Symbol.dispose]();
    using _other = await store.admit(1_000);
    await expect(store.admit(1)).rejects.toMatchObject({ code: 'storage_full' });
  });

  it('of many who ask at once only those get room for whom there is some', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path, minFreeBytes: 0, freeBytes: async () => 1_000 });
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => store.admit(300)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  it('counts what all jobs hold on disk against the cap', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path, maxBytes: 100_000 });
    await writeFile(join(await store.folder('a'), '0'), Buffer.alloc(60_000));
    await expect(store.admit(50_000)).rejects.toMatchObject({
      code: 'storage_full',
      kind: { retryable: true },
    });
    await store.remove('a');
    using _room = await store.admit(50_000);
  });

  it('at start removes what belongs to no open job, and leaves what is being written', async () => {
    await using data = await temporaryFolder();
    const store = createMediaStore({ dataDir: data.path });
    expect(await store.janitor(async () => false)).toBe(0);
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const jobId of ['open', 'ended', 'fresh']) {
      const folder = await store.folder(jobId);
      await writeFile(join(folder, '0'), 'bytes');
      if (jobId !== 'fresh') await utimes(join(folder, '0'), hourAgo, hourAgo);
      await utimes(folder, hourAgo, hourAgo);
    }
    expect(await store.janitor(async (jobId) => jobId === 'open')).toBe(1);
    expect(existsSync(join(data.path, 'media', 'ended'))).toBe(false);
    expect(await readdir(join(data.path, 'media'))).toEqual(['fresh', 'open']);
  });
});
