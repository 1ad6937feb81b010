/** What X said about one of its rate limits (docs.x.com, Fundamentals, Rate limits). */
export interface XRateLimit {
  /** `user`: this endpoint's window for this user; the others: 24-hour windows of older plans. */
  readonly scope: 'user' | 'user_24h' | 'app_24h';
  readonly limit: number;
  readonly remaining: number;
  /** Epoch ms by X's clock. */
  readonly resetAt: number;
}

/** Everything that an answer of X other than success tells. */
export interface XAnswer {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Last path segment of the problem's type, as in `usage-capped`, or ''. Its host has changed before. */
  readonly type: string;
  /** Code of X's legacy error shape, as in 88 for a rate limit. */
  readonly code: number | null;
  /** `error` of an OAuth answer (RFC 6749 section 5.2). */
  readonly oauthError: string | null;
  readonly messages: readonly string[];
  readonly rateLimits: readonly XRateLimit[];
  readonly retryAfterMs: number | null;
  /** X's clock when it answered, epoch ms. */
  readonly date: number | null;
  readonly transactionId: string | null;
}

/** X answered, and not with success. All strings are plain, printable and short, but still X's own words. */
export class XAnswerError extends Error implements XAnswer {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly type: string;
  readonly code: number | null;
  readonly oauthError: string | null;
  readonly messages: readonly string[];
  readonly rateLimits: readonly XRateLimit[];
  readonly retryAfterMs: number | null;
  readonly date: number | null;
  readonly transactionId: string | null;

  constructor(answer: XAnswer, options?: ErrorOptions) {
    super(`X answered ${answer.status}: ${answer.detail || answer.title || 'no reason given'}`, options);
    this.name = 'XAnswerError';
    this.status = answer.status;
    this.title = answer.title;
    this.detail = answer.detail;
    this.type = answer.type;
    this.code = answer.code;
    this.oauthError = answer.oauthError;
    this.messages = answer.messages;
    this.rateLimits = answer.rateLimits;
    this.retryAfterMs = answer.retryAfterMs;
    this.date = answer.date;
    this.transactionId = answer.transactionId;
  }
}

/** X gave no answer, or none that could be read to its end. */
export class XUnreachableError extends Error {
  /** true: X may have acted; false: proven that not one byte of the request left this process. */
  readonly sent: boolean;

  constructor(message: string, { sent, cause }: { readonly sent: boolean; readonly cause?: unknown }) {
    super(message, { cause });
    this.name = 'XUnreachableError';
    this.sent = sent;
  }
}
