import { z } from 'zod';

/** Codes and tokens by their hashes: whoever reads the file cannot act with it. */
const Grants = z.object({
  families: z.array(
    z.object({
      userId: z.string(),
      clientId: z.string(),
      scope: z.array(z.string()),
      signedInAt: z.number(),
      revoked: z.boolean(),
    }),
  ),
  tokens: z.array(
    z.object({
      hash: z.string(),
      kind: z.enum(['access', 'refresh']),
      /** Its place among `families`. */
      family: z.int(),
      expiresAt: z.number(),
      used: z.boolean(),
      revoked: z.boolean(),
    }),
  ),
  codes: z.array(
    z.object({
      hash: z.string(),
      userId: z.string(),
      clientId: z.string(),
      redirectUri: z.string(),
      scope: z.array(z.string()),
      codeChallenge: z.string(),
      challengeMethod: z.enum(['S256', 'plain']),
      expiresAt: z.number(),
    }),
  ),
});

const Tweet = z.object({
  id: z.string(),
  authorId: z.string(),
  clientId: z.string(),
  text: z.string(),
  shownText: z.string(),
  noteText: z.string().nullable(),
  links: z.array(
    z.object({
      shortUrl: z.string(),
      expandedUrl: z.string(),
      displayUrl: z.string(),
      mediaKey: z.string().nullable(),
    }),
  ),
  createdAt: z.number(),
  mediaIds: z.array(z.string()),
  poll: z.object({ options: z.array(z.string()), durationMinutes: z.number() }).nullable(),
  replyTo: z.string().nullable(),
  quoteOf: z.string().nullable(),
  conversationId: z.string(),
  editHistory: z.array(z.string()),
  extra: z.record(z.string(), z.unknown()),
  requestNumber: z.number(),
  deletedAt: z.number().nullable(),
});

/** An upload without its bytes, which lie in a file of their own. */
const Media = z.object({
  id: z.string().regex(/^[0-9]+$/),
  mediaKey: z.string(),
  ownerId: z.string(),
  additionalOwners: z.array(z.string()),
  mediaType: z.string(),
  category: z.string(),
  totalBytes: z.number(),
  /** Null where one has not come yet. */
  segments: z.array(z.object({ position: z.number(), length: z.number(), written: z.boolean() }).nullable()),
  phase: z.enum(['receiving', 'pending', 'in_progress', 'succeeded', 'failed']),
  isProcessed: z.boolean(),
  polls: z.number(),
  earlyPolls: z.number(),
  checkAgainAt: z.number(),
  readyAt: z.number().nullable(),
  expiresAt: z.number(),
  error: z.object({ code: z.number(), name: z.string(), message: z.string() }).nullable(),
  altText: z.string().nullable(),
  isPosted: z.boolean(),
  sha256: z.string().nullable(),
  sniffed: z
    .object({
      mediaType: z.string(),
      width: z.number().nullable(),
      height: z.number().nullable(),
      durationMs: z.number().nullable(),
    })
    .nullable(),
});

/** What outlives a simulator that is told to keep it; counts of rate limits, credits and the log do not. */
export const KeptState = z.object({ grants: Grants, media: z.array(Media), tweets: z.array(Tweet) });
export type KeptState = z.infer<typeof KeptState>;
export type KeptGrants = z.infer<typeof Grants>;
export type KeptMedia = z.infer<typeof Media>;
