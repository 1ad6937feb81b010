import { randomBytes } from 'node:crypto';
import { copyFile, stat } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { ProblemError } from '#libs/problem/problem.ts';

/** As long as X itself keeps uploaded media. */
const lifeMs = 24 * 60 * 60 * 1000;

/** A file that a caller uploaded with `POST /media`, waiting for the posts that use it. */
const Upload = z.object({
  account: z.string(),
  file: z.string(),
  bytes: z.coerce.number(),
  kind: z.enum(['image', 'gif', 'video']),
  expires_at: z.coerce.number(),
});
export type Upload = z.infer<typeof Upload>;

/** Files uploaded with `POST /media`: who may use them, and where they lie on the media volume. */
export type UploadStore = ReturnType<typeof createUploadStore>;

export function createUploadStore({ redis, now = Date.now }: { redis: Redis; now?: () => number }) {
  const keyOf = (mediaId: string) => `upload:${mediaId}`;

  async function find(mediaId: string, accountId: string): Promise<Upload | null> {
    if (!/^[0-9a-f]{32}$/.test(mediaId)) return null;
    const parsed = Upload.safeParse(await redis.hgetall(keyOf(mediaId)));
    return parsed.success && parsed.data.account === accountId ? parsed.data : null;
  }

  return {
    find,
    /** A new id; its folder in the media store has the same name. */
    newId: () => randomBytes(16).toString('hex'),
    async register(mediaId: string, upload: Omit<Upload, 'expires_at'>): Promise<number> {
      const expiresAt = now() + lifeMs;
      await redis
        .multi()
        .hset(keyOf(mediaId), { ...upload, expires_at: expiresAt })
        .pexpireat(keyOf(mediaId), expiresAt)
        .exec();
      return expiresAt;
    },
    /** Copies the bytes into a job's folder. @throws {ProblemError} media_expired */
    async copyTo(mediaId: string, accountId: string, file: string): Promise<{ file: string; bytes: number }> {
      const upload = await find(mediaId, accountId);
      if (!upload)
        throw new ProblemError(
          'media_expired',
          'The uploaded media has expired or does not exist. Upload it again.',
        );
      try {
        await copyFile(upload.file, file);
      } catch (cause) {
        throw new ProblemError(
          'media_expired',
          'The uploaded media is no longer on this server. Upload it again.',
          { cause },
        );
      }
      return { file, bytes: (await stat(file)).size };
    },
    exists: async (mediaId: string) => (await redis.exists(keyOf(mediaId))) === 1,
  };
}
