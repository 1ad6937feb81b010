import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { noTracing } from '#libs/insight/tracing.ts';
import { newItem } from '#libs/jobs/job.ts';
import { createUploadStore } from '#libs/jobs/upload-store.ts';
import { createBlockPool } from '#libs/media/blocks.ts';
import { createMediaStore } from '#libs/media/media-store.ts';
import { setUp } from '#libs/media/test-download.ts';
import { hasFfmpeg, needsFfmpeg, video } from '#libs/media/test-videos.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { createGate } from './gate.ts';
import { prepareItem } from './prepare-item.ts';
import type { ItemRun } from './run-item.ts';

const { redis } = await useOwnRedis();

/** A second of noise: large enough to be uploaded while it comes in. */
const noise = () =>
  video({
    ...{ size: '1280x720', sound: false },
    options: ['-vf', 'noise=alls=100:allf=t', '-b:v', '100M', '-movflags', '+faststart'],
  });

/** Many times longer than a file needs to get another name. */
async function lookOften(folder: string): Promise<readonly string[]> {
  let names: readonly string[] = [];
  for (let look = 0; look < 200; look++) names = await readdir(folder);
  return names;
}

it.skipIf(!hasFfmpeg)(
  `a video that is ready before X has all of it is kept as fetched until then, for the upload and for whoever has to go on with it${needsFfmpeg}`,
  async () => {
    const bytes = noise();
    expect(bytes.length).toBeGreaterThan(8 * 1024 * 1024);
    await using t = await setUp((_request, response) => void response.end(bytes));
    await using dataDir = await mkdtempDisposable(join(tmpdir(), 'prepare-item-'));
    const mediaStore = createMediaStore({ dataDir: dataDir.path, minFreeBytes: 1 });
    const isPrepared = Promise.withResolvers<void>();
    let meanwhile: readonly string[] = [];
    const x = {
      async initializeUpload() {
        await isPrepared.promise;
        meanwhile = await lookOften(await mediaStore.folder('job'));
        return { mediaId: '9', mediaKey: '7_9', expiresAt: null };
      },
      async appendSegment() {},
    };
    const counts = {
      add() {},
      time: (_name: string, [step]: readonly string[]) => step === 'prepare' && isPrepared.resolve(),
    };
    const deps = {
      ...{ x, counts, mediaStore, fetcher: t.fetcher, uploads: createUploadStore({ redis }), ffmpeg: {} },
      ...{ gate: createGate({ redis }), blocks: createBlockPool(), calls: { tell() {} } },
      vault: {
        accessToken: async () => 't',
        replaySpool: async () => 0,
        leave: () => {},
        [Symbol.asyncDispose]: async () => {},
      },
      tracing: noTracing,
    };
    const place = { take: async () => 'work' as const, [Symbol.asyncDispose]: async () => {} };
    const run: ItemRun = {
      ...{ jobId: 'job', index: 0, owner: 'run', accountId: '7', altText: null, place, item: newItem },
      ...{ signal: new AbortController().signal, mayAct: () => true },
      save: async () => ({ prepared: false, ready: false }),
    };
    const source = { kind: 'url', url: `${t.host.url}/a.mp4` } as const;
    const { prepared, upload } = await prepareItem(deps, run, { source, early: true });
    expect(meanwhile).toEqual(['0.fetched']);
    expect(upload).toMatchObject({ mediaId: '9', nextSegment: Math.ceil(bytes.length / 1024 / 1024) });
    expect(await readdir(await mediaStore.folder('job'))).toEqual([`0-${prepared?.sha256}`]);
  },
);
