import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Job } from '#libs/jobs/job.ts';
import { mediaOf, type Order } from '#libs/jobs/order.ts';
import { itemsOfPost } from './tweet-draft.ts';

/** Media that X forgets sooner than this is not used again. */
const mustLastMs = 30 * 60_000;

const Known = z.object({ mediaId: z.string(), mediaKey: z.string().nullable(), expiresAt: z.number() });
type KnownMedia = z.infer<typeof Known>;

/** One file with one alt text, of one account. */
export interface MediaIdentity {
  readonly accountId: string;
  readonly sha256: string;
  readonly mediaCategory: string;
  readonly altText: string | null;
}

/**
 * Remembers the media of a post that is surely on X. Not earlier: as long as a post has to be looked for, the key of
 * its media must be its alone.
 */
export async function rememberMediaOf(memory: MediaMemory, job: Job, order: Order): Promise<void> {
  const items = mediaOf(order);
  for (const index of itemsOfPost(job, order, job.cursor)) {
    const { stage, prepared, upload } = job.media[index] ?? {};
    // Found on X after a loss of Redis' memory: what the record knows of its media may be less than X has.
    if (stage !== 'ready' || !prepared || !upload || upload.reused || upload.expiresAt === null) continue;
    const { mediaId, mediaKey, expiresAt } = upload;
    const { sha256, mediaCategory } = prepared;
    const identity = {
      accountId: job.accountId,
      sha256,
      mediaCategory,
      altText: items[index]?.altText ?? null,
    };
    await memory.remember(identity, { mediaId, mediaKey, expiresAt });
  }
}

/** What X has of an account's media and still keeps, so that the same file is not uploaded twice. */
export type MediaMemory = ReturnType<typeof createMediaMemory>;

export function createMediaMemory({ redis, now = Date.now }: { redis: Redis; now?: () => number }) {
  return {
    async find(identity: MediaIdentity): Promise<KnownMedia | null> {
      const text = await redis.get(keyOf(identity));
      const known = text === null ? null : Known.parse(JSON.parse(text));
      return known && known.expiresAt > now() + mustLastMs ? known : null;
    },
    async remember(identity: MediaIdentity, media: KnownMedia): Promise<void> {
      const lifeMs = media.expiresAt - mustLastMs - now();
      if (lifeMs > 0) await redis.set(keyOf(identity), JSON.stringify(media), 'PX', Math.floor(lifeMs));
    },
  };
}

/** An alt text belongs to the media at X: the same file with another one is other media. */
function keyOf({ accountId, sha256, mediaCategory, altText }: MediaIdentity): string {
  const alt = altText === null ? '' : createHash('sha256').update(altText).digest('base64url').slice(0, 16);
  return `media:${accountId}:${mediaCategory}:${sha256}:${alt}`;
}
