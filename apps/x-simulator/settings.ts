/** One person with an X account. */
export interface User {
  readonly id: string;
  readonly username: string;
  readonly name: string;
  subscriptionType: 'None' | 'Basic' | 'Premium' | 'PremiumPlus';
  /** X asks the person to log in first: everything that writes answers 403. */
  locked: boolean;
}

/** An app registered at X. `secret: null` makes it a public app, which proves itself by PKCE alone. */
interface Client {
  readonly id: string;
  readonly secret: string | null;
  readonly redirectUris: readonly string[];
}

/** How often one endpoint may be called: per user, per app, and per user within 24 hours. */
export interface EndpointLimit {
  readonly user?: { readonly limit: number; readonly windowMs: number };
  readonly app?: { readonly limit: number; readonly windowMs: number };
  readonly userDay?: number;
}

/** What X's transcoder does with a video or an animated GIF. */
interface Processing {
  /** X's word on when to ask again; null leaves it out of the answers. */
  readonly checkAfterSecs: number | null;
  /** The STATUS call that learns the outcome: 0 means ready at FINALIZE, a huge number means never. */
  readonly polls: number;
  readonly outcome: 'succeeded' | 'failed';
  /** What a failed outcome carries in `processing_info.error`; null leaves it out. */
  readonly error: { readonly code: number; readonly name: string; readonly message: string } | null;
}

/** Everything about X that is a number or that nobody knows for sure; may be changed while it runs. */
export interface Settings {
  /** Epoch ms; the simulator asks no other clock. */
  now: () => number;
  /** The apps that exist, or null: any client id with any secret that is not empty. */
  clients: readonly Client[] | null;
  codeSeconds: number;
  accessTokenSeconds: number;
  refreshTokenSeconds: number;
  /** A refresh token presented again after its use kills every token of its family. */
  familyRevocation: boolean;
  /** Scopes that X leaves out of what was asked for. */
  withheldScopes: readonly string[];
  /** `post`: names of X's API document since 2.167 (`edit_history_post_ids`); `tweet`: the older ones. */
  fieldNames: 'post' | 'tweet';
  problemHost: 'api.x.com' | 'api.twitter.com';
  rateLimitBody: 'problem' | 'legacy';
  /** What reading a post or user that does not exist answers. */
  missingAnswer: 200 | 404;
  /** `true` compares texts alone, `text-and-media` lets the same text pass with other media. */
  duplicateRule: boolean | 'text-and-media';
  /** Replies only to authors that mentioned or quoted the account, or to oneself. */
  replyRule: boolean;
  quotesAllowed: boolean;
  /** How long a new post is missing from timelines and look-ups. */
  timelineLagMs: number;
  /** How long a new post cannot be replied to yet. */
  replyLagMs: number;
  /** How long a media id stays invalid after it was ready. */
  mediaLagMs: number;
  mediaSeconds: number;
  processing: Processing;
  initializeStatus: 200 | 202;
  appendStatus: 200 | 204;
  /** False refuses an APPEND that is not JSON. */
  appendMultipart: boolean;
  refuseEmptyFinalize: boolean;
  /** Whether INITIALIZE names a `media_key`. */
  initializeMediaKey: boolean;
  /** The `media_key` a post shows, from that of the upload. */
  postMediaKey: (mediaKey: string) => string;
  /** A longer segment meets an empty 413. */
  maxSegmentBytes: number;
  maxSegmentIndex: number;
  /** False lets segments arrive in any order. */
  segmentsInOrder: boolean;
  maxImageBytes: number;
  maxGifBytes: number;
  maxVideoBytes: number;
  /** Longer videos fail in processing. */
  maxVideoSeconds: number;
  /** Longer videos are refused by POST /2/tweets. */
  maxPostedVideoSeconds: number;
  /** US dollars each app starts with; null: no limit. */
  creditsUsd: number | null;
  /** Replaces the limits of single endpoints, named as in the request log. */
  rateLimits: Readonly<Record<string, EndpointLimit>>;
  users: readonly User[];
}

/** What a simulator can be started with; everything else is as X documents it. */
export interface SimulatorOptions extends Partial<Omit<Settings, 'users'>> {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  readonly host?: string;
  /** A folder in which accounts' grants, uploads and posts outlive the simulator; without, all of it is in memory. */
  readonly keepIn?: string;
  readonly users?: readonly (Pick<User, 'id' | 'username'> & Partial<User>)[];
}

const mebibyte = 1024 * 1024;

const defaultUsers: NonNullable<SimulatorOptions['users']> = [
  { id: '1450000000000000001', username: 'sandbox_ada', name: 'Ada Sandbox' },
  { id: '1450000000000000002', username: 'sandbox_ben', name: 'Ben Sandbox' },
  { id: '1450000000000000003', username: 'sandbox_cleo', name: 'Cleo Sandbox', subscriptionType: 'Premium' },
];

/** As X documents itself, the harsher reading where its documents disagree. */
const documented: Omit<Settings, 'users'> = {
  now: () => Date.now(),
  clients: null,
  codeSeconds: 30,
  accessTokenSeconds: 7_200,
  refreshTokenSeconds: 183 * 86_400,
  familyRevocation: true,
  withheldScopes: [],
  fieldNames: 'post',
  problemHost: 'api.x.com',
  rateLimitBody: 'problem',
  missingAnswer: 200,
  duplicateRule: true,
  replyRule: true,
  quotesAllowed: false,
  timelineLagMs: 0,
  replyLagMs: 0,
  mediaLagMs: 0,
  mediaSeconds: 86_400,
  processing: { checkAfterSecs: 1, polls: 2, outcome: 'succeeded', error: null },
  initializeStatus: 200,
  appendStatus: 200,
  appendMultipart: true,
  refuseEmptyFinalize: false,
  initializeMediaKey: true,
  postMediaKey: (mediaKey) => mediaKey,
  maxSegmentBytes: 4 * mebibyte,
  maxSegmentIndex: 999,
  segmentsInOrder: true,
  maxImageBytes: 5 * mebibyte,
  maxGifBytes: 15 * mebibyte,
  maxVideoBytes: 512 * mebibyte,
  maxVideoSeconds: 140,
  maxPostedVideoSeconds: 140,
  creditsUsd: null,
  rateLimits: {},
};

/** The settings a simulator begins with, and returns to at a reset. */
export function createSettings(options: SimulatorOptions): Settings {
  const { port: _port, host: _host, keepIn: _keepIn, users = defaultUsers, ...given } = options;
  return {
    ...documented,
    ...given,
    users: users.map((user) => ({ name: user.username, subscriptionType: 'None', locked: false, ...user })),
  };
}
