import { z } from 'zod';
import { points } from './fault.ts';

/** A fault to play on requests to come: `POST /_simulator/faults`. */
export const FaultScript = z.strictObject({
  endpoint: z.string(),
  nth: z.int().min(1).default(1),
  /** null: all from there on. */
  times: z.int().min(1).nullable().default(1),
  fault: z.strictObject({
    delayMs: z.number().min(0).optional(),
    cut: z.enum(['received', 'reading', 'read', 'committed', 'half-answered']).optional(),
    answer: z
      .strictObject({
        status: z.int().min(100).max(599),
        body: z.unknown().optional(),
        headers: z.record(z.string(), z.string()).optional(),
        rateLimitResetSeconds: z.number().optional(),
      })
      .optional(),
    acts: z.boolean().optional(),
    spoil: z.enum(['truncated', 'half-json', 'wrong-length', 'garbage', 'empty']).optional(),
    trickle: z.strictObject({ bytes: z.int().min(1), everyMs: z.number().min(0) }).optional(),
    /** Keeps the request at this point until the fault is released. */
    hold: z.enum(points).optional(),
  }),
});

const seconds = z.number().min(0);
const bytes = z.int().min(1);
const window = z.strictObject({ limit: z.int().min(0), windowMs: z.int().min(1) });

/** What of the settings is plain data, and how far the clock is off: `POST /_simulator/settings`. */
export const SettingsPatch = z
  .strictObject({
    clockOffsetMs: z.number(),
    clients: z
      .array(
        z.strictObject({ id: z.string(), secret: z.string().nullable(), redirectUris: z.array(z.string()) }),
      )
      .nullable(),
    codeSeconds: seconds,
    accessTokenSeconds: seconds,
    refreshTokenSeconds: seconds,
    familyRevocation: z.boolean(),
    withheldScopes: z.array(z.string()),
    fieldNames: z.enum(['post', 'tweet']),
    problemHost: z.enum(['api.x.com', 'api.twitter.com']),
    rateLimitBody: z.enum(['problem', 'legacy']),
    missingAnswer: z.union([z.literal(200), z.literal(404)]),
    duplicateRule: z.union([z.boolean(), z.literal('text-and-media')]),
    replyRule: z.boolean(),
    quotesAllowed: z.boolean(),
    timelineLagMs: z.number().min(0),
    replyLagMs: z.number().min(0),
    mediaLagMs: z.number().min(0),
    mediaSeconds: seconds,
    processing: z.strictObject({
      checkAfterSecs: z.number().nullable(),
      polls: z.int().min(0),
      outcome: z.enum(['succeeded', 'failed']),
      error: z.strictObject({ code: z.int(), name: z.string(), message: z.string() }).nullable(),
    }),
    initializeStatus: z.union([z.literal(200), z.literal(202)]),
    appendStatus: z.union([z.literal(200), z.literal(204)]),
    appendMultipart: z.boolean(),
    refuseEmptyFinalize: z.boolean(),
    initializeMediaKey: z.boolean(),
    maxSegmentBytes: bytes,
    maxSegmentIndex: z.int().min(0),
    segmentsInOrder: z.boolean(),
    maxImageBytes: bytes,
    maxGifBytes: bytes,
    maxVideoBytes: bytes,
    maxVideoSeconds: seconds,
    maxPostedVideoSeconds: seconds,
    creditsUsd: z.number().nullable(),
    rateLimits: z.record(
      z.string(),
      z.strictObject({ user: window, app: window, userDay: z.int().min(0) }).partial(),
    ),
  })
  .partial();

/** Tokens without the authorize page: `POST /_simulator/tokens`. */
export const TokenRequest = z.strictObject({
  user: z.string(),
  clientId: z.string().default('sandbox-client'),
  scope: z.array(z.string()),
});

/** The person who takes back what apps may do: `POST /_simulator/disconnect`. */
export const DisconnectRequest = z.strictObject({ user: z.string(), clientId: z.string().optional() });
