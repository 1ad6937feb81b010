import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { WaitReason } from '#libs/jobs/job.ts';
import type { Condition } from '#libs/jobs/record-moves.ts';
import { prepareScript } from '#libs/redis/script.ts';
import type { XEndpoint, XExchange } from '#libs/x-api/x-api.ts';
import { type Lesson, readLessons } from './gate-lessons.ts';
import { createGateMemory } from './gate-memory.ts';

/** Closed: no call, no slot held. */
export interface Closed {
  readonly open: false;
  /** Epoch ms by Redis' clock, as everything in a record is. */
  readonly until: number;
  /** The same from now on, whatever the clock of this process says. */
  readonly waitMs: number;
  readonly reason: WaitReason;
}

/** Which windows a call was counted in: whoever does not make it gives the ticket back. */
export type Ticket = readonly number[];
export interface Open {
  readonly open: true;
  readonly ticket: Ticket;
}
export type Passage = Open | Closed;

/** X's limits as its answers tell them, shared by all workers: one gate per account and endpoint, one per app. */
export type Gate = ReturnType<typeof createGate>;

/** Calls that X bills: closed while the app has no credits. */
const billed: readonly XEndpoint[] = ['create_tweet', 'delete_tweet', 'media_metadata', 'finalize'];
const indexKey = 'gates';
const scriptText = (name: string) =>
  readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8');

/** The gates that one call passes, in the order in which the scripts know them. */
function keysOf(accountId: string, endpoint: XEndpoint) {
  const own = `gate:${accountId}:${endpoint}`;
  const keys = ['gate:app:down', own, `${own}:24h`, `gate:app:${endpoint}`];
  return billed.includes(endpoint) ? [...keys, 'gate:app:credits'] : keys;
}

const askerOf = (accountId: string, endpoint: XEndpoint) => `${accountId}:${endpoint}`;

const toPassage = (passage: Passage): Passage =>
  passage.open ? { open: true, ticket: passage.ticket } : passage;
/** Until when the window is in which each gate counted the call; 0: it counted none. */
const toTicket = ([, ...counts]: readonly number[]): Ticket =>
  counts.flatMap((left, index) => (index % 2 === 0 ? [left < 0 ? 0 : (counts[index + 1] ?? 0)] : []));
const takeLua = scriptText('gate-take');

export function createGate({ redis, random = Math.random }: { redis: Redis; random?: () => number }) {
  const script = (name: string) => prepareScript(redis, `#!lua flags=allow-oom\n${scriptText(name)}`);
  const takeScript = script('gate-take');
  const learnScript = script('gate-learn');
  const putBackScript = script('gate-put-back');
  const memory = createGateMemory();

  async function ask(accountId: string, endpoint: XEndpoint, mode: 'take' | 'peek', most: number) {
    const asker = askerOf(accountId, endpoint);
    const answer = await takeScript(keysOf(accountId, endpoint), [mode, most, asker]);
    return read(accountId, endpoint, answer as number[]);
  }

  /** What the script that asks has answered. */
  function read(accountId: string, endpoint: XEndpoint, answer: readonly number[]) {
    const [index = 0, ...rest] = answer;
    if (index === 0) {
      const [, calls = 0, ...known] = rest;
      memory.asked(askerOf(accountId, endpoint), known);
      return { open: true, calls, ticket: toTicket(known) } as const;
    }
    const reason: WaitReason = index === 1 ? 'x_down' : index === 5 ? 'credits' : 'limit';
    // Jitter spreads those who wait for the same moment.
    const [opensAt = 0, now = 0] = rest;
    const until = opensAt + Math.floor(random() * 400);
    return { open: false, until, waitMs: until - now, reason } as const;
  }

  return {
    /** Whether a call could be made now, without counting one. */
    async peek(accountId: string, endpoint: XEndpoint): Promise<Passage> {
      return toPassage(await ask(accountId, endpoint, 'peek', 1));
    },

    /** Asks for one call. Read before every call to X, so that more workers never mean more calls. */
    async take(accountId: string, endpoint: XEndpoint): Promise<Passage> {
      return toPassage(await ask(accountId, endpoint, 'take', 1));
    },

    /** Asks for `most` calls at once; `calls` of them may be made, at least one. Those that are not are put back. */
    async takeSome(
      accountId: string,
      endpoint: XEndpoint,
      most: number,
    ): Promise<(Open & { readonly calls: number }) | Closed> {
      return await ask(accountId, endpoint, 'take', most);
    },

    /** One call, taken in the very moment in which it is written down that it is going to be made. */
    condition(accountId: string, endpoint: XEndpoint): Condition & { judge(answer: unknown): Passage } {
      const asker = askerOf(accountId, endpoint);
      return {
        lua: takeLua,
        keys: keysOf(accountId, endpoint),
        values: ['peek', 1, asker],
        judge: (answer) => toPassage(read(accountId, endpoint, answer as number[])),
      };
    },

    /** So many calls that were let through were not made after all: X has not seen them. */
    async putBack(accountId: string, endpoint: XEndpoint, ticket: Ticket, calls = 1): Promise<void> {
      await putBackScript(keysOf(accountId, endpoint), [calls, askerOf(accountId, endpoint), ...ticket]);
    },

    /** Learns from an answer of X, or from its absence. */
    async learn(accountId: string, exchange: XExchange): Promise<void> {
      if (memory.knows(askerOf(accountId, exchange.endpoint), exchange)) return;
      const lessons = readLessons(exchange, billed.includes(exchange.endpoint), Date.now());
      const keys = keysOf(accountId, exchange.endpoint);
      await learnScript(
        [indexKey, ...lessons.map(({ gate }) => keys[gate] ?? '')],
        lessons.flatMap(({ mode, numbers }: Lesson) => [mode, ...numbers]),
      );
    },
  };
}
