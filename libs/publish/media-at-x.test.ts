import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { type MediaItem, newItem, type PreparedItem } from '#libs/jobs/job.ts';
import { createJobStore } from '#libs/jobs/job-store.ts';
import { acceptedId, orderOf } from '#libs/jobs/test-order.ts';
import { createWakeUps } from '#libs/jobs/wake-up.ts';
import { createSealer } from '#libs/sealing/sealing.ts';
import { useOwnRedis } from '../../test/own-redis.ts';
import { mediaNeedsWork } from './media-at-x.ts';
import { createMediaMemory, rememberMediaOf } from './media-memory.ts';

const { redis } = await useOwnRedis();
const jobs = createJobStore({ redis, sealer: createSealer([{ kid: 'k', key: randomBytes(32) }]) });
const wakeUps = createWakeUps({ redis });
afterAll(() => wakeUps[Symbol.asyncDispose]());

const now = Date.now();
const hour = 3_600_000;
const prepared: PreparedItem = {
  ...{ file: '/x', sha256: 'x', bytes: 5, kind: 'video' as const },
  ...{ mediaType: 'video/mp4', mediaCategory: 'tweet_video' as const },
};
const upload = {
  ...{ mediaId: '9', mediaKey: '7_9', segmentBytes: 5, nextSegment: 1, finalized: true },
  ...{ expiresAt: now + 20 * hour, reused: false, processingSince: null },
};
/** Items as the record may have them. */
const items = {
  ready: { ...newItem, stage: 'ready', progress: 100, prepared, upload },
  'ready, and soon forgotten by X': {
    ...{ ...newItem, stage: 'ready', prepared },
    upload: { ...upload, expiresAt: now + 60_000 },
  },
  'half at X': {
    ...{ ...newItem, stage: 'uploading', prepared },
    upload: { ...upload, nextSegment: 0, finalized: false },
  },
  'at X without its alt text': { ...newItem, stage: 'uploading', prepared, upload },
  'being processed by X': { ...newItem, stage: 'x_processing', prepared, upload },
  'not fetched': { ...newItem, stage: 'fetching' },
} as const satisfies Record<string, MediaItem>;
type Kind = keyof typeof items;

/** A thread with an item in each post, which a loss of Redis' memory has made ready to be sent, whatever its items are. */
async function readyJob(kinds: readonly Kind[], cursor = 0) {
  const [first = { text: '', media: [], altTexts: [] }, ...others] = kinds.map((kind, index) => ({
    ...{ text: `${kind} ${index}`, altTexts: [] },
    media: [{ kind: 'url', url: `https://example.com/${index}.mp4` } as const],
  }));
  const jobId = await acceptedId(jobs, { order: orderOf('', { posts: [first, ...others] }) });
  for (const [index, kind] of kinds.entries()) {
    await jobs.claimItem(jobId, index, 'before');
    const step = items[kind].stage === 'ready' ? 'ready' : items[kind].prepared ? 'prepared' : 'new';
    await jobs.saveItem(jobId, index, 'before', items[kind], { step });
  }
  await redis.hset(`job:${jobId}`, { state: 'ready', cursor, starts: 0 });
  const job = await jobs.claim(jobId, 'w');
  if (!job) throw new Error('the job is gone');
  return job;
}

/** What becomes of it when it is about to be sent. */
async function aboutToSend(kinds: readonly Kind[], cursor = 0) {
  const job = await readyJob(kinds, cursor);
  const waits = await mediaNeedsWork({ jobs, wakeUps }, job, jobs.openOrder(job), 'w', now);
  const woken = await Promise.all(
    kinds.map(async (_, index) =>
      (await wakeUps.queues.media.getJob(`job-${job.id}-${index}`)) ? [index] : [],
    ),
  );
  const after = await jobs.find(job.id);
  return { waits, woken: woken.flat(), state: after?.state, media: after?.media, id: job.id };
}

describe('a post that is about to be sent', () => {
  it.each<Kind>(['half at X', 'at X without its alt text', 'being processed by X', 'not fetched'])(
    'with media %s waits for it: the media goes on where it was',
    async (kind) => {
      const { waits, woken, state, media, id } = await aboutToSend([kind]);
      expect({ waits, woken, state }).toEqual({ waits: true, woken: [0], state: 'accepted' });
      expect(media).toEqual([items[kind]]);
      // Whoever looked at it meanwhile has not failed at it.
      expect(await redis.hget(`job:${id}`, 'item:0:starts')).toBe('0');
    },
  );

  it('with media that X is about to forget waits until that is uploaded again', async () => {
    const { waits, woken, state, media } = await aboutToSend(['ready, and soon forgotten by X']);
    expect({ waits, woken, state }).toEqual({ waits: true, woken: [0], state: 'accepted' });
    expect(media).toMatchObject([{ stage: 'waiting', upload: null, reuploads: 1 }]);
  });

  it('with its media ready is sent', async () => {
    expect(await aboutToSend(['ready'])).toMatchObject({ waits: false, woken: [], state: 'ready' });
  });
});

describe('a thread that is about to be sent', () => {
  it('waits until the media of all its posts is ready', async () => {
    const { waits, woken, state, media } = await aboutToSend(['ready', 'ready', 'half at X']);
    expect({ waits, woken, state }).toEqual({ waits: true, woken: [2], state: 'accepted' });
    expect(media).toEqual([items.ready, items.ready, items['half at X']]);
  });

  it('and has some posts on X already asks for the media of the others alone', async () => {
    const through = await aboutToSend(['half at X', 'ready'], 1);
    expect(through).toMatchObject({ waits: false, woken: [], state: 'ready' });
    const { waits, woken, state, media } = await aboutToSend(['not fetched', 'half at X'], 1);
    expect({ waits, woken, state }).toEqual({ waits: true, woken: [1], state: 'accepted' });
    // Else the rest would wait for it.
    expect(media).toMatchObject([{ stage: 'ready' }, items['half at X']]);
  });
});

it('media that was not ready when its post was found on X is not used for another post', async () => {
  const memory = createMediaMemory({ redis });
  const identity = { accountId: '7', sha256: 'x', mediaCategory: 'tweet_video', altText: null };
  for (const kind of ['half at X', 'at X without its alt text', 'ready'] as const) {
    const job = await readyJob([kind]);
    await rememberMediaOf(memory, job, jobs.openOrder(job));
    expect(await memory.find(identity)).toEqual(
      kind === 'ready' ? expect.objectContaining({ mediaId: '9' }) : null,
    );
  }
});
