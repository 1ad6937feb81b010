import { join } from 'node:path';
import { Credits } from './credits.ts';
import { Grants } from './grants.ts';
import type { KeptState } from './kept-state.ts';
import { MediaStore } from './media-store.ts';
import { RateLimits } from './rate-limits.ts';
import { createRequestLog, type RequestLog } from './requests.ts';
import { createSettings, type Settings, type SimulatorOptions, type User } from './settings.ts';
import { createSnowflakes } from './snowflake.ts';
import { StateFile } from './state-file.ts';
import { TweetBook } from './tweet-book.ts';

/** Everything the simulated X knows. All of it is in memory but the bytes of media; a folder may be given to keep it. */
export class State {
  /** May be changed at any time; a reset brings back what the simulator was started with. */
  readonly settings: Settings;
  readonly users = new Map<string, User>();
  readonly grants: Grants;
  readonly media: MediaStore;
  readonly tweets: TweetBook;
  readonly limits: RateLimits;
  readonly credits: Credits;
  readonly requests: RequestLog = createRequestLog();
  /** Errors of the simulator itself; a test of X clients should find this empty. */
  readonly bugs: Error[] = [];
  readonly nextId: () => string;
  readonly #options: SimulatorOptions;
  readonly #file: StateFile | null;

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.settings = createSettings(options);
    this.nextId = createSnowflakes(() => this.settings.now());
    const { keepIn } = options;
    this.#file =
      keepIn === undefined ? null : new StateFile(join(keepIn, 'state.json'), () => this.#snapshot());
    this.grants = new Grants(this.settings, () => this.#file?.changed());
    this.media = new MediaStore(
      this.settings,
      this.nextId,
      keepIn === undefined ? null : join(keepIn, 'media'),
    );
    this.tweets = new TweetBook(this.settings);
    this.limits = new RateLimits(this.settings);
    this.credits = new Credits(this.settings);
    this.#addUsers();
  }

  /** By id or by username, with or without @. */
  findUser(idOrUsername: string): User | null {
    const name = idOrUsername.replace(/^@/, '').toLowerCase();
    return (
      this.users.get(idOrUsername) ??
      [...this.users.values()].find((user) => user.username.toLowerCase() === name) ??
      null
    );
  }

  /** Takes over what an earlier simulator kept, and keeps all changes from then on: to be called once, before any use. */
  async open(): Promise<void> {
    const file = this.#file;
    const kept = await file?.read();
    if (!file) return;
    if (kept) {
      this.grants.restore(kept.grants);
      await this.media.restore(kept.media);
      for (const tweet of kept.tweets) this.tweets.add(tweet);
    }
    for (const ledger of [this.tweets, this.media.uploads]) ledger.watch(() => file.changed());
  }

  /** Resolves when all that is to be kept is on disk; rejects when it cannot be written. */
  async saved(): Promise<void> {
    await this.#file?.saved();
  }

  /** Ends its use; what is not kept is gone. */
  async close(): Promise<void> {
    // What cannot be written is said by then, and nothing of it was answered.
    if (this.#file) await this.#file.saved().catch(() => {});
    else await this.media.clear();
  }

  /** Forgets everything but the settings it was started with. */
  async reset(): Promise<void> {
    Object.assign(this.settings, createSettings(this.#options));
    this.users.clear();
    this.#addUsers();
    this.grants.clear();
    this.tweets.clear();
    this.limits.clear();
    this.credits.clear();
    this.requests.clear();
    this.bugs.length = 0;
    await this.media.clear();
    this.#file?.changed();
    await this.saved();
  }

  #snapshot(): KeptState {
    return { grants: this.grants.keep(), media: this.media.keep(), tweets: this.tweets.keep() };
  }

  #addUsers(): void {
    for (const user of this.settings.users) this.users.set(user.id, { ...user });
  }
}
