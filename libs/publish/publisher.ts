import type { TokenVault } from '#libs/accounts/token-vault.ts';
import type { Counts } from '#libs/insight/counts.ts';
import type { Tracing } from '#libs/insight/tracing.ts';
import type { JobCalls } from '#libs/jobs/job-calls.ts';
import type { JobStore } from '#libs/jobs/job-store.ts';
import type { Spend } from '#libs/jobs/spend.ts';
import type { UploadStore } from '#libs/jobs/upload-store.ts';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import type { BlockPool } from '#libs/media/blocks.ts';
import type { MediaFetcher } from '#libs/media/fetch-media.ts';
import type { MediaStore } from '#libs/media/media-store.ts';
import type { FfmpegOptions } from '#libs/media/transcode.ts';
import type { Spool } from '#libs/spool/spool.ts';
import type { Prices } from '#libs/x-api/limits.ts';
import type { XApi } from '#libs/x-api/x-api.ts';
import type { AccountPlaces } from './account-places.ts';
import type { Gate } from './gate.ts';
import type { MediaMemory } from './media-memory.ts';

/** What carrying jobs to X needs. */
export interface PublishDeps {
  readonly jobs: JobStore;
  readonly wakeUps: WakeUps;
  readonly vault: TokenVault;
  readonly x: XApi;
  readonly gate: Gate;
  readonly places: AccountPlaces;
  readonly spool: Spool;
  readonly mediaStore: MediaStore;
  readonly fetcher: MediaFetcher;
  readonly blocks: BlockPool;
  readonly uploads: UploadStore;
  readonly ffmpeg: Partial<FfmpegOptions>;
  readonly mediaMemory: MediaMemory;
  readonly spend: Spend;
  readonly prices: Prices;
  readonly policy: PublishPolicy;
  /** What operators see of all posts together. */
  readonly counts: Pick<Counts, 'add' | 'time'>;
  /** Where the time of one post goes. */
  readonly tracing: Pick<Tracing, 'isOn' | 'span'>;
  /** What a job's page tells of its calls to X. */
  readonly calls: Pick<JobCalls, 'tell'>;
  /** Something unexpected, for the log of the process. */
  readonly report: (event: PublishEvent) => void;
  /** Redis' clock, as everything in a record goes by it. */
  readonly now: () => number;
}

export interface PublishPolicy {
  readonly resendPolicy: 'once' | 'never';
  readonly confirmAfterMs: number;
  /** How long a job waits for credits, or for an X that cannot be reached, before it fails. */
  readonly giveUpAfterMs: number;
}

export interface PublishEvent {
  readonly jobId: string;
  readonly message: string;
  readonly level: 'info' | 'warn' | 'error';
  readonly error?: unknown;
  readonly fields?: Readonly<Record<string, string | number>>;
}

/** How a worker run is told to stop, and whether it may still begin something that cannot be undone. */
export interface RunContext {
  /** Aborts when the worker stops or has lost the entry: yield at the next boundary. */
  readonly signal: AbortSignal;
  /** false when the queue's lock on this entry was not confirmed for too long, or Redis has yet to be looked at anew. */
  readonly mayAct: () => boolean;
}

/** When the entry should wake again (epoch ms); null: it is done. */
export type RunResult = number | null;
