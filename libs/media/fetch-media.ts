import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type BlockPool, createBlockPool } from './blocks.ts';
import { type Answer, createExchange, RetryableAnswerError } from './exchange.ts';
import { createFileWriter } from './file-writer.ts';
import {
  createGuardedAgent,
  defaultTimeouts,
  type OpenConnection,
  type ResolveName,
  type Timeouts,
} from './guarded-agent.ts';
import { type JudgeHead, judging } from './judge-head.ts';
import { readHosts } from './media-url.ts';
import { createPace, type Pace, type PaceLimits } from './pace.ts';
import { type Arrivals, type Destination, type Room, saveBody } from './save-body.ts';
import type { Sink } from './sink.ts';
import { createSlots, type Slots } from './slots.ts';

export interface MediaFetcherOptions {
  /** `host:port` pairs that the operator exempts from the https and public-address rules. */
  readonly trustedHosts: readonly string[];
  /** Where this server itself is reached (`host` or `host:port`): never fetched from. */
  readonly ownHosts?: readonly string[];
  /** Addresses and CIDR blocks to refuse besides everything that is not public. */
  readonly forbiddenAddresses?: readonly string[];
  readonly ownAddresses?: () => readonly string[];
  readonly resolve?: ResolveName;
  readonly connect?: OpenConnection;
  /** Pauses before the second and the third try; their number is the number of repeats. */
  readonly retryDelaysMs?: readonly number[];
  readonly timeouts?: Partial<Timeouts>;
  /** How slow a download may be. */
  readonly pace?: Partial<PaceLimits>;
  /** Downloads at a time, in all and from one host. */
  readonly concurrency?: { readonly overall?: number; readonly perHost?: number };
  /** Memory for what is on its way; a pool of its own when left out. */
  readonly blocks?: BlockPool;
  readonly now?: () => number;
}

export interface FetchOptions {
  /** Where the bytes go; overwritten, and gone again when the download fails. */
  readonly file: string;
  readonly maxBytes: number;
  /** Room on disk to be asked for; without it, the disk itself is the limit. */
  readonly room?: Room | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Looks at the first bytes, to end the download early or to lower its limit. */
  readonly judge?: JudgeHead | undefined;
  /** Changes the bytes on their way: what it passes on is written and hashed. Called anew for each try. */
  readonly alter?: ((sink: Sink) => Sink) | undefined;
  /** Hears how many bytes have come; `totalBytes` is what the host stated. */
  readonly onProgress?: (bytes: number, totalBytes: number | null) => void;
  /** Follows the bytes themselves. */
  readonly arrivals?: Arrivals | undefined;
}

/** Downloads what a URL of a stranger points at, past one guard. */
export interface MediaFetcher {
  /**
   * Downloads to a file while hashing it.
   * @throws {ProblemError} media_url_forbidden, media_redirect, media_not_found, media_unreachable, media_timeout,
   * media_too_large, media_unsupported (compressed content), storage_full
   */
  fetch(url: string, options: FetchOptions): Promise<{ sha256: string; bytes: number }>;
  /** Downloads a small document into memory, by the same rules and with the same errors. */
  fetchDocument(
    url: string,
    options: {
      readonly maxBytes: number;
      readonly signal?: AbortSignal | undefined;
      /** False where only the address itself may speak; the answer is `media_redirect` then. True when left out. */
      readonly redirects?: boolean;
    },
  ): Promise<{ body: Buffer; contentType: string | null }>;
}

interface Download {
  readonly url: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
  readonly redirects?: boolean | undefined;
  /** Takes the body; called once per try. */
  readonly receive: (answer: Answer, pace: Pace) => Promise<void>;
}

/** Downloads at a time. */
const mostDownloads = 16;
/** From one host. A usual worker has fewer slots, so that it holds none only to wait for a host. */
const mostPerHost = 12;

/** Creates the one door through which anything is fetched from an address that a caller chose. */
export function createMediaFetcher(options: MediaFetcherOptions): MediaFetcher & AsyncDisposable {
  const trustedHosts = readHosts(options.trustedHosts);
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const agent = createGuardedAgent({
    trustedHosts,
    timeouts,
    forbiddenAddresses: options.forbiddenAddresses ?? [],
    ownAddresses: options.ownAddresses,
    resolve: options.resolve,
    connect: options.connect,
  });
  const exchange = createExchange(
    agent,
    { trustedHosts, ownHosts: readHosts(options.ownHosts ?? []) },
    timeouts,
  );
  const blocks = options.blocks ?? createBlockPool();
  const writer = createFileWriter();
  const takePlace = createPlaces(
    options.concurrency?.overall ?? mostDownloads,
    options.concurrency?.perHost ?? mostPerHost,
  );
  const retryDelaysMs = options.retryDelaysMs ?? [300, 1_000];

  async function download(wanted: Download): Promise<void> {
    await using _place = await takePlace(wanted.url, wanted.signal);
    using pace = createPace(options.pace, wanted.signal, options.now);
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await exchange(wanted.url, wanted.maxBytes, pace.signal, wanted.redirects);
        return await wanted.receive(answer, pace).finally(answer.leave);
      } catch (error) {
        if (!(error instanceof RetryableAnswerError)) throw error;
        // What is forbidden is repeated like what is unreachable: neither error nor time tells them apart.
        const pauseMs = retryDelaysMs[attempt];
        if (pauseMs === undefined) throw error.problem;
        await pause(Math.max(pauseMs, error.retryAfterMs), pace.signal);
      }
    }
  }

  return {
    async fetch(url, { file, maxBytes, room, judge, alter, signal, onProgress, arrivals }) {
      const destination: Destination = { file, room, admittedBytes: 0, usedBytes: 0 };
      let saved = { sha256: '', bytes: 0 };
      const receive = async (answer: Answer, pace: Pace) => {
        const onPiece = (bytes: number) => {
          pace.reached(bytes);
          onProgress?.(bytes, answer.totalBytes);
        };
        const saving = { destination, blocks, writer, signal: pace.signal, arrivals, onPiece };
        saved = await saveBody(answer.totalBytes, saving, async (target) => {
          const altered = alter ? alter(target) : target;
          await answer.bringTo(judge ? judging(altered, answer.totalBytes, judge) : altered);
        });
      };
      writer.start();
      try {
        await download({ url, maxBytes, signal, receive });
        return saved;
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    },
    async fetchDocument(url, { maxBytes, signal, redirects }) {
      let document: { body: Buffer; contentType: string | null } = {
        body: Buffer.alloc(0),
        contentType: null,
      };
      const receive = async (answer: Answer) => {
        const pieces: Uint8Array[] = [];
        await answer.bringTo({ write: (piece) => void pieces.push(Buffer.from(piece)), end: async () => {} });
        document = { body: Buffer.concat(pieces), contentType: answer.contentType };
      };
      await download({ url, maxBytes, signal, redirects, receive });
      return document;
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await writer[Symbol.asyncDispose]();
    },
  };
}

/** Places to download, in all and per host: a slow host keeps its own callers waiting, not everybody's. */
function createPlaces(overall: number, perHost: number) {
  const all = createSlots(overall);
  const hosts = new Map<string, Slots>();
  return async (url: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> => {
    const host = URL.parse(url)?.host ?? '';
    const ofHost = hosts.get(host) ?? createSlots(perHost);
    hosts.set(host, ofHost);
    await using places = new AsyncDisposableStack();
    places.defer(() => {
      if (ofHost.taken === 0) hosts.delete(host);
    });
    places.use(await ofHost.take(signal));
    places.use(await all.take(signal));
    return places.move();
  };
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await delay(durationMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}
