import type { KeptState } from './kept-state.ts';
import { Ledger } from './ledger.ts';
import type { Settings } from './settings.ts';

/** A link in a post: the t.co one that is shown, and where it leads. */
export interface Link {
  readonly shortUrl: string;
  readonly expandedUrl: string;
  readonly displayUrl: string;
  /** Of the link that stands for the media of a post. */
  readonly mediaKey: string | null;
}

/** A post that really was created. */
export interface Tweet {
  readonly id: string;
  readonly authorId: string;
  readonly clientId: string;
  /** As the client sent it. */
  readonly text: string;
  /** As X shows it: t.co links, `&amp;` and the like; of a long post the beginning. */
  readonly shownText: string;
  /** The whole text of a post longer than 280, as X shows it. */
  readonly noteText: string | null;
  readonly links: readonly Link[];
  readonly createdAt: number;
  readonly mediaIds: readonly string[];
  readonly poll: { readonly options: readonly string[]; readonly durationMinutes: number } | null;
  readonly replyTo: string | null;
  readonly quoteOf: string | null;
  readonly conversationId: string;
  readonly editHistory: readonly string[];
  /** The other fields of the request, such as `reply_settings` and `made_with_ai`, as they came. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** `number` of the request in the log. */
  readonly requestNumber: number;
  deletedAt: number | null;
}

/** Every post in the order of its creation, the deleted ones too. */
export class TweetBook extends Ledger<Tweet> {
  readonly #settings: Settings;
  readonly #byId = new Map<string, Tweet>();

  constructor(settings: Settings) {
    super((tweet) => `${tweet.id} ${tweet.text}`);
    this.#settings = settings;
  }

  override add(tweet: Tweet): void {
    this.#byId.set(tweet.id, tweet);
    super.add(tweet);
  }

  /** A post that exists, whether or not it shows already. */
  find(id: string): Tweet | null {
    const tweet = this.#byId.get(id);
    return tweet && tweet.deletedAt === null ? tweet : null;
  }

  /** Whether readers see it by now. */
  isVisible(tweet: Tweet): boolean {
    return tweet.deletedAt === null && tweet.createdAt + this.#settings.timelineLagMs <= this.#settings.now();
  }

  /** What is there to see of an author, or of all, newest first. */
  visible(authorId?: string): readonly Tweet[] {
    return this.all
      .filter((tweet) => this.isVisible(tweet) && (authorId ?? tweet.authorId) === tweet.authorId)
      .toReversed();
  }

  /** The posts that exist now, of an author or of all, whatever readers see. */
  existing(authorId?: string): readonly Tweet[] {
    return this.all.filter(
      (tweet) => tweet.deletedAt === null && (authorId ?? tweet.authorId) === tweet.authorId,
    );
  }

  delete(tweet: Tweet): void {
    tweet.deletedAt = this.#settings.now();
    this.changed(tweet);
  }

  /** All of it, for a file. */
  keep(): KeptState['tweets'] {
    return this.all.map(({ poll, ...tweet }) => ({
      ...tweet,
      links: [...tweet.links],
      mediaIds: [...tweet.mediaIds],
      poll: poll && { ...poll, options: [...poll.options] },
      editHistory: [...tweet.editHistory],
    }));
  }

  override clear(): void {
    this.#byId.clear();
    super.clear();
  }
}
