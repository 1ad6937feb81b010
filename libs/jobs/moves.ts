import type { JobState } from './job.ts';

/**
 * What a move checks besides the state, inside the same script that writes:
 * `owner`: this worker run still holds the job (or the media item, where it is the run of one). `attempt`: the record's attempt is the one this answer is about.
 * `due`: neither a wait nor the due time lies ahead, and the job has not expired. `deadline`: the time to begin the
 * request is over. `unposted`: nothing of it is live.
 * `media`: every media item is at X, or there is none. `cursor`: it is still about the post of the order that was read. `turn`: no earlier post of the account is ready or
 * being sent. `trusted`: a post that is due has been checked against X since Redis last went back in time.
 */
export type Guard =
  | 'owner'
  | 'attempt'
  | 'due'
  | 'deadline'
  | 'unposted'
  | 'media'
  | 'cursor'
  | 'turn'
  | 'trusted';

export interface Move {
  readonly from: readonly JobState[];
  /** `same`: new facts, no new state. */
  readonly to: JobState | 'same';
  readonly guards: readonly Guard[];
  /** Recorded even when Redis is at maxmemory: an outcome must never be lost for want of memory. */
  readonly evenWhenFull: boolean;
}

const beforeSending = ['accepted', 'ready'] as const satisfies readonly JobState[];
const open = [
  'accepted',
  'ready',
  'sending',
  'confirming',
  'unconfirmed',
] as const satisfies readonly JobState[];

/**
 * The one table of legal moves. A worker, the sweeper and the API move a record by these and by nothing else; the
 * model check explores the same table.
 */
export const moves = {
  /** Every media item is at X (or there is none). */
  prepared: { from: ['accepted'], to: 'ready', guards: [], evenWhenFull: false },
  /** The intent, durable before the request: from here on the post may exist. */
  beginSend: {
    from: beforeSending,
    to: 'sending',
    guards: ['owner', 'cursor', 'due', 'media', 'trusted', 'turn'],
    evenWhenFull: false,
  },
  /** Proof that the request never left, or an answer that promises nothing was created (401, 402, 429). */
  notCreated: {
    from: ['sending', 'confirming'],
    to: 'ready',
    guards: ['attempt', 'cursor'],
    evenWhenFull: true,
  },
  /** X has it. Wins from wherever the record stands: a success is never argued away. */
  created: {
    from: [...open, 'failed', 'canceled'],
    to: 'published',
    guards: ['cursor'],
    evenWhenFull: true,
  },
  /** As `created`, and the thread goes on with its next post. */
  createdNext: {
    from: open,
    to: 'ready',
    guards: ['cursor'],
    evenWhenFull: true,
  },
  /** As `created`, but X did not tell the id that the next post of the thread would have to answer. */
  createdAlone: { from: open, to: 'failed', guards: ['cursor'], evenWhenFull: true },
  /** As the two above, of a thread that has come to its end meanwhile: it goes on with nothing, but tells what is live. */
  createdLate: { from: ['failed', 'canceled'], to: 'same', guards: ['cursor'], evenWhenFull: true },
  /** A definite no from X to this very attempt. */
  rejected: {
    from: ['sending', 'confirming'],
    to: 'failed',
    guards: ['attempt', 'cursor'],
    evenWhenFull: true,
  },
  /** The answer says nothing about whether the post exists; from `confirming` when the sweeper was faster. */
  outcomeUnknown: {
    from: ['sending', 'confirming'],
    to: 'confirming',
    guards: ['attempt', 'cursor'],
    evenWhenFull: true,
  },
  /** Redis went back in time: the post may be on X although the record knows of no attempt. Look before sending. */
  lookFirst: { from: beforeSending, to: 'confirming', guards: ['owner', 'cursor'], evenWhenFull: true },
  /** Whoever was sending has not said how it went. */
  deadlinePassed: { from: ['sending'], to: 'confirming', guards: ['deadline'], evenWhenFull: true },
  /** Surely absent, first attempt: send once more. */
  absent: { from: ['confirming'], to: 'ready', guards: ['owner', 'attempt', 'cursor'], evenWhenFull: true },
  /** It cannot be established; only a later find or the user's word moves it on. */
  giveUpConfirming: {
    from: ['confirming'],
    to: 'unconfirmed',
    guards: ['owner', 'attempt', 'cursor'],
    evenWhenFull: true,
  },
  /** Before anything was sent: bad media, account gone, expired, poison. */
  fail: { from: beforeSending, to: 'failed', guards: ['owner', 'trusted'], evenWhenFull: true },
  /** Media is gone or expires too soon: back to the media workers. */
  mediaAgain: { from: ['ready'], to: 'accepted', guards: ['owner'], evenWhenFull: false },
  /**
   * Also of a post that waits to be sent once more: after an attempt of unknown outcome only a surely absent post is
   * `ready` again.
   */
  cancel: { from: beforeSending, to: 'canceled', guards: ['unposted', 'trusted'], evenWhenFull: true },
  /** Its account is disconnected, and it cannot be canceled any more: part of it is on X. */
  disconnect: { from: beforeSending, to: 'failed', guards: ['trusted'], evenWhenFull: true },
  /** The user's word on an unconfirmed post. */
  resolvePosted: { from: ['unconfirmed'], to: 'published', guards: ['cursor'], evenWhenFull: true },
  /** The same of a post in the middle of a thread, named by the user: the next one answers it. */
  resolvePostedNext: { from: ['unconfirmed'], to: 'ready', guards: ['cursor'], evenWhenFull: true },
  /** The same without its id: it is looked for, and never sent again. */
  resolvePostedLook: { from: ['unconfirmed'], to: 'confirming', guards: ['cursor'], evenWhenFull: true },
  resolveNotPosted: { from: ['unconfirmed'], to: 'failed', guards: ['cursor'], evenWhenFull: true },
  resolveResend: { from: ['unconfirmed'], to: 'ready', guards: ['cursor'], evenWhenFull: true },
  /** It was looked for in vain; its user may have settled it meanwhile. */
  lookedAgain: { from: ['unconfirmed'], to: 'same', guards: ['owner'], evenWhenFull: true },
  /** A wait, an observation, a count of starts. */
  note: { from: open, to: 'same', guards: ['owner'], evenWhenFull: true },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof moves;
