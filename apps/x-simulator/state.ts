import { Credits } from './credits.ts';
import { Grants } from './grants.ts';
import { MediaStore } from './media-store.ts';
import { RateLimits } from './rate-limits.ts';
import { createRequestLog, type RequestLog } from './requests.ts';
import { createSettings, type Settings, type SimulatorOptions, type User } from './settings.ts';
import { createSnowflakes } from './snowflake.ts';
import { TweetBook } from './tweet-book.ts';

/** Everything the simulated X knows. All of it is in memory but the bytes of media. */
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

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.settings = createSettings(options);
    this.nextId = createSnowflakes(() => this.settings.now());
    this.grants = new Grants(this.settings);
    this.media = new MediaStore(this.settings, this.nextId);
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
  }

  #addUsers(): void {
    for (const user of this.settings.users) this.users.set(user.id, { ...user });
  }
}
