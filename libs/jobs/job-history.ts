import { z } from 'zod';
import { itemStages, jobStates, type MediaItem, type WaitReason } from './job.ts';
import { type MoveName, moves } from './moves.ts';

/** The latest entries that are kept of one job. */
export const historyLength = 60;

const waitReasons = [
  'limit',
  'credits',
  'x_down',
  'storage',
  'media_host',
  'key',
] as const satisfies WaitReason[];
const reason = z.enum(waitReasons).nullish();
const moveNames = Object.keys(moves) as [MoveName, ...MoveName[]];

const MoveEntry = z.object({
  at: z.number(),
  move: z.enum(moveNames),
  state: z.enum(jobStates),
  cursor: z.number().default(0),
  reason,
  until: z.number().nullish(),
  code: z.string().nullish(),
});
const ItemEntry = z.object({
  at: z.number(),
  item: z.number(),
  stage: z.enum(itemStages),
  reason,
  until: z.number().nullish(),
});
const HistoryEntry = z.union([MoveEntry, ItemEntry]);

/**
 * One thing that happened to a job: a move of its record, or a media item's next stage. `at` is epoch ms by Redis'
 * clock, `reason` why it waits and `until` (epoch ms) how long, `code` why it failed. Never content, never a secret.
 */
export type HistoryEntry = z.infer<typeof HistoryEntry>;

/** What the history tells of an item, as JSON without its time: a save that tells nothing new leaves no entry. */
export function tellItem(item: number, { stage, waitReason, notBefore }: MediaItem): string {
  const wait = waitReason === null ? {} : { reason: waitReason, until: notBefore };
  return JSON.stringify({ item, stage, ...wait });
}

/** Entries as Redis keeps them, oldest first; what a later version wrote in words unknown here is left out. */
export function parseHistory(lines: readonly string[]): HistoryEntry[] {
  return lines.flatMap((line) => {
    const parsed = HistoryEntry.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  });
}
