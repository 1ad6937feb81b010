import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { catalogue } from '#libs/insight/catalogue.ts';
import { prepareScript, type Script } from '#libs/redis/script.ts';
import { callsKept } from './job-calls.ts';
import { historyLength } from './job-history.ts';
import { type JobPatch, toFields } from './job-record.ts';
import { jobLua, jobScript } from './job-script.ts';
import { type MoveName, moves } from './moves.ts';
import type { Charge } from './spend.ts';

/** What a move checks and says besides its entry in the table. */
export interface MoveFacts {
  readonly owner?: string;
  /** The media item whose run this is: `owner` holds that, and not the job. */
  readonly item?: number;
  readonly attemptId?: string;
  readonly cursor?: number;
  readonly patch?: JobPatch;
  readonly bumpFence?: boolean;
  /** When the sweeper should look at the job next: epoch ms, or ms from now. */
  readonly checkAt?: number;
  readonly checkAfterMs?: number;
  /** Nobody needs to look at it any more. */
  readonly checkNever?: boolean;
  /**
   * The post that X has: `take` when X itself named it in its answer, `if_free` when it was found by reading. One that was
   * found, and when it was made, epoch ms by Redis' clock: it is `contested` while X may yet name it in its answer to
   * another job with the same content.
   */
  readonly tweet?: {
    readonly id: string | null;
    readonly claim: 'take' | 'if_free';
    readonly createdAt?: number;
  };
  /** What X billed, booked with the move. */
  readonly charge?: Charge;
  /** Calls to X that led to it, as `toCallLine` writes them. */
  readonly calls?: readonly string[];
  /** Makes a repetition of this very call recognisable; by default every call is its own. */
  readonly moveId?: string;
}

export type MoveResult =
  | { readonly done: true; readonly at: number }
  | { readonly done: false; readonly reason: string };

/** Another script that is asked before a move, and acts when the move is made: all in one, so that nothing comes between. */
export interface Condition {
  /** Lua with KEYS and ARGV. Returns an answer, which begins with 0 when nothing stands in the way, and what then acts. */
  readonly lua: string;
  readonly keys: readonly string[];
  readonly values: readonly (string | number)[];
}

/** What became of a move with a condition. */
export interface ConditionalMove {
  /** What the other script answered last: when it stood in the way, or when it acted. Otherwise null. */
  readonly answer: unknown;
  /** null: it was not tried, because the condition did not hold. */
  readonly result: MoveResult | null;
}

interface RecordMovesOptions {
  readonly redis: Redis;
  /** Keys of the record and of the open jobs. */
  readonly keysOf: (jobId: string) => readonly [record: string, open: string];
  readonly retentionMs: number;
  readonly onTurn: (jobId: string, openJobs: number) => void;
}

/** The answer to an attempt is here, or never will be, this long after its intent: five seconds to begin, thirty for X. */
const answerMs = 40_000;

/** KEYS record, open jobs, those of the other script · ARGV the move, its id, the values of the other script */
const guarded = (lua: string) => `#!lua
local function other(KEYS, ARGV)
${lua}
end
local function move(KEYS, ARGV)
${jobLua('move')}
end
local own = {KEYS[1], KEYS[2]}
-- Sent again because its answer was lost: it is done, whatever stands in the way by now.
if redis.call('HGET', KEYS[1], 'last_move') == ARGV[2] then return {1, move(own, ARGV)} end
local answer, act = other({unpack(KEYS, 3)}, {unpack(ARGV, 3)})
if answer[1] ~= 0 then return {0, answer} end
local moved = move(own, ARGV)
if moved[1] == 0 then return {1, moved} end
act()
return {1, moved, answer}
`;

/** The moves of records, by the table. */
export function createRecordMoves({ redis, keysOf, retentionMs, onTurn }: RecordMovesOptions) {
  const moveScript = jobScript(redis, 'move');
  const moveEvenWhenFull = jobScript(redis, 'move', { allowOom: true });
  const guardedScripts = new Map<string, Script>();

  function toArgument(jobId: string, name: MoveName, facts: MoveFacts): string {
    const { from, to } = moves[name];
    const { set, del } = toFields(facts.patch ?? {});
    return JSON.stringify({
      id: jobId,
      name,
      historyLength,
      moveId: facts.moveId ?? randomUUID(),
      from,
      to,
      guards: wantedBy(name, facts),
      set,
      del,
      item: facts.item,
      bumpFence: facts.bumpFence,
      checkAt: facts.checkAt,
      checkAfterMs: facts.checkAfterMs,
      checkNever: facts.checkNever,
      tweet: facts.tweet && { ...facts.tweet, id: facts.tweet.id ?? '', answerMs },
      charge: facts.charge,
      ...(facts.calls?.length ? { calls: facts.calls, callsKept } : {}),
      retentionMs,
      ...(to === 'published' ? { publishBuckets: catalogue.publish_seconds.buckets } : {}),
    });
  }

  function read(answer: unknown): MoveResult {
    const [done, value, following, openJobs] = answer as [number, number | string, string, number?];
    if (done > 0 && following) onTurn(following, openJobs ?? 0);
    return done > 0 ? { done: true, at: Number(value) } : { done: false, reason: String(value) };
  }

  return {
    /** Moves a record by the table of moves; nothing is written when a guard does not hold. */
    async move(jobId: string, name: MoveName, facts: MoveFacts = {}): Promise<MoveResult> {
      const run = moves[name].evenWhenFull ? moveEvenWhenFull : moveScript;
      return read(await run(keysOf(jobId), [toArgument(jobId, name, facts)]));
    },

    /** As `move`, if another script lets it pass, and together with that one. */
    async moveIf(
      jobId: string,
      name: MoveName,
      facts: MoveFacts & { readonly moveId: string },
      { lua, keys, values }: Condition,
    ): Promise<ConditionalMove> {
      if (moves[name].evenWhenFull) throw new TypeError(`The move ${name} must not depend on anything`);
      const script = guardedScripts.get(lua) ?? prepareScript(redis, guarded(lua));
      guardedScripts.set(lua, script);
      const about = [toArgument(jobId, name, facts), facts.moveId];
      const answer = (await script([...keysOf(jobId), ...keys], [...about, ...values])) as unknown[];
      const [passed, moved, acted = null] = answer;
      return passed === 0 ? { answer: moved, result: null } : { answer: acted, result: read(moved) };
    },
  };
}

function wantedBy(name: MoveName, facts: MoveFacts): Record<string, unknown> {
  const wanted: Record<string, unknown> = {};
  for (const guard of moves[name].guards) {
    const value = {
      owner: facts.owner,
      attempt: facts.attemptId,
      cursor: facts.cursor,
      due: true,
      deadline: true,
      unposted: true,
      media: true,
      turn: true,
      trusted: true,
    }[guard];
    if (value === undefined) throw new TypeError(`The move ${name} needs ${guard}`);
    wanted[guard] = value;
  }
  return wanted;
}
