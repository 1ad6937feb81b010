import type { WaitReason } from '#libs/jobs/job.ts';
import type { HistoryEntry } from '#libs/jobs/job-history.ts';
import type { MoveName } from '#libs/jobs/moves.ts';
import { type ProblemCode, problemKinds } from '#libs/problem/problem.ts';
import { type Html, html } from './html.ts';
import { timeOf } from './time.ts';

/** What the history is about, as far as its wording depends on it. */
interface Told {
  /** Epoch ms. */
  readonly acceptedAt: number;
  readonly publishAt: number | null;
  readonly posts: number;
  readonly media: number;
}

const waits: Record<WaitReason, string> = {
  limit: 'X limits how much this account may post',
  credits: 'The X app has no credits left',
  x_down: 'X did not answer',
  storage: 'This server had no room for the media',
  media_host: 'The host of the media did not answer',
  key: 'The key that it was sealed with is missing here',
};

type MoveEntry = Extract<HistoryEntry, { move: MoveName }>;
type ItemEntry = Extract<HistoryEntry, { item: number }>;

/** What happened to a job when, and why it waits, oldest first. */
export function timelineOf(history: readonly HistoryEntry[], told: Told): Html {
  const begun = told.publishAt === null ? 'Accepted' : html`Accepted, to be posted ${timeOf(told.publishAt)}`;
  const entries = [
    { at: told.acceptedAt, text: begun },
    ...history.flatMap((entry) => {
      const text = 'move' in entry ? describeMove(entry, told) : describeItem(entry, told);
      return text === null ? [] : [{ at: entry.at, text }];
    }),
  ];
  return html`${entries.map(({ at, text }) => html`<li>${text} <span class="soft small">${timeOf(at)}</span></li>`)}`;
}

function describeMove(entry: MoveEntry, { posts, media }: Told): Html | string | null {
  const which = posts === 1 ? 'the post' : `post ${entry.cursor + 1} of ${posts}`;
  if (entry.reason) return waitOf(entry.reason, entry.until);
  const texts: Record<MoveName, string | null> = {
    prepared: media === 0 ? null : 'All media is at X, ready to be sent',
    beginSend: `Sending ${which} to X`,
    notCreated: 'X did not take it, and surely posted nothing: trying again',
    created: posts === 1 ? 'Published' : `Published, all ${posts} posts`,
    createdNext: `Published ${which}`,
    createdLate: `Published ${which}, after the end`,
    createdAlone: `Published ${which}, but X did not tell its id: the rest cannot follow`,
    rejected: `X refused ${which}${titleOf(entry.code)}`,
    outcomeUnknown: 'X did not answer clearly: checking whether the post is there',
    lookFirst: 'Checking first whether X has the post already',
    deadlinePassed: 'The sending was interrupted: checking whether the post is there',
    absent: 'X surely does not have the post: sending it once more',
    giveUpConfirming: 'X did not let this server find out whether the post is there',
    fail: `Given up${titleOf(entry.code)}`,
    mediaAgain: 'The media has to be uploaded to X again',
    cancel: 'Canceled',
    disconnect: 'Ended, as the account was disconnected',
    resolvePosted: 'You said that the post is on X',
    resolvePostedNext: `You said that ${which} is on X, and where`,
    resolvePostedLook: `You said that ${which} is on X: looking for it`,
    resolveNotPosted: 'You said that the post is not on X',
    resolveResend: 'You asked for it to be sent again',
    lookedAgain: null,
    note: null,
  };
  return texts[entry.move];
}

function describeItem(entry: ItemEntry, { media }: Told): Html | string {
  const name = media === 1 ? 'the media' : `media ${entry.item + 1}`;
  if (entry.reason) return waitOf(entry.reason, entry.until);
  const texts = {
    waiting: `Checked ${name}: ready to be uploaded`,
    fetching: `Fetching ${name}`,
    preparing: `Preparing ${name} for X`,
    uploading: `Uploading ${name} to X`,
    x_processing: `X is processing ${name}`,
    ready: media === 1 ? 'The media is ready at X' : `Media ${entry.item + 1} is ready at X`,
  } as const satisfies Record<ItemEntry['stage'], string>;
  return texts[entry.stage];
}

function waitOf(reason: WaitReason, until: number | null | undefined): Html {
  return html`${waits[reason]}: ${until ? html`waiting until ${timeOf(until)}` : 'waiting'}`;
}

function titleOf(code: string | null | undefined): string {
  return code && code in problemKinds ? `: ${problemKinds[code as ProblemCode].title}` : '';
}
