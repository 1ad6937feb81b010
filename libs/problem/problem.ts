/** What a person (or the assistant acting for them) has to do about a problem. */
export type ActionRequired =
  | 'none'
  | 'reconnect'
  | 'edit_text'
  | 'change_media'
  | 'add_credits'
  | 'check_x'
  | 'operator';

interface ProblemKind {
  /** HTTP status when the problem is an answer; a failed job carries the same code inside a 200. */
  readonly status: number;
  readonly title: string;
  /** Doing the very same thing again later may work. */
  readonly retryable: boolean;
  readonly action: ActionRequired;
}

const kind = (
  status: number,
  title: string,
  action: ActionRequired = 'none',
  retryable = false,
): ProblemKind => ({
  status,
  title,
  retryable,
  action,
});

/** The closed catalogue: every code that an answer or a failed job may carry. */
export const problemKinds = {
  // The request
  bad_request: kind(400, 'The request is malformed'),
  unauthorized: kind(401, 'Sign-in needed', 'reconnect'),
  forbidden: kind(403, 'Not allowed'),
  not_found: kind(404, 'Not found'),
  method_not_allowed: kind(405, 'Method not allowed'),
  too_late: kind(409, 'Too late to change this post'),
  not_unconfirmed: kind(409, 'This post does not need to be settled'),
  request_in_progress: kind(409, 'The same request is still being accepted', 'none', true),
  body_too_large: kind(413, 'The request is too large'),
  unsupported_media_type: kind(415, 'This content type is not supported'),
  validation_failed: kind(422, 'The request breaks a rule'),
  idempotency_key_reused: kind(422, 'This request_id was used for another post'),
  too_many_requests: kind(429, 'Too many requests', 'none', true),
  too_many_open_jobs: kind(429, 'Too many posts are in work or scheduled', 'none', true),
  budget_exceeded: kind(403, 'The spending limit is reached', 'operator'),
  internal_error: kind(500, 'Something went wrong on this server', 'operator'),
  unavailable: kind(503, 'Temporarily unavailable', 'none', true),
  // The account
  reconnect_needed: kind(403, 'The X account must be connected again', 'reconnect'),
  account_not_allowed: kind(403, 'This X account may not connect here', 'operator'),
  // Media
  media_url_forbidden: kind(422, 'The media address cannot be used', 'change_media'),
  media_redirect: kind(422, 'The media address redirects too often or to a forbidden place', 'change_media'),
  media_not_found: kind(422, 'No media at this address', 'change_media'),
  media_unreachable: kind(422, 'The media host did not answer', 'change_media', true),
  media_timeout: kind(422, 'The media host was too slow', 'change_media', true),
  media_too_large: kind(422, 'The media is larger than X allows', 'change_media'),
  media_unsupported: kind(422, 'X does not take this kind of media', 'change_media'),
  media_broken: kind(422, 'The media is damaged', 'change_media'),
  media_expired: kind(422, 'The uploaded media has expired', 'change_media'),
  media_processing_failed: kind(422, 'X could not process the media', 'change_media'),
  media_processing_timeout: kind(422, 'X took too long to process the media', 'change_media', true),
  storage_full: kind(503, 'This server has no room for the media', 'operator', true),
  // Posting
  rejected_by_x: kind(422, 'X refused the post', 'edit_text'),
  duplicate_content: kind(422, 'X already has a post with this text', 'edit_text'),
  missing_scope: kind(403, 'The X account must be connected again with more rights', 'reconnect'),
  x_forbidden: kind(403, 'X does not allow this account to do that', 'check_x'),
  x_credits_depleted: kind(402, 'The X app has run out of credits', 'add_credits', true),
  x_limited: kind(429, 'X limits how much this account may post', 'none', true),
  x_unavailable: kind(502, 'X did not answer, or not clearly', 'none', true),
  x_misconfigured: kind(502, 'X or its address is misconfigured', 'operator'),
  expired: kind(422, 'The post was not sent before it expired'),
  unconfirmed: kind(502, 'It is not known whether X has the post', 'check_x'),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof problemKinds;

/** One wrong field: `field` is its path in the request body, as in `thread[2].text`. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

interface ProblemDetails {
  readonly errors?: readonly FieldError[];
  /** Seconds after which another try makes sense: becomes `Retry-After` and `retry_after_seconds`. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * What went wrong, as a caller may see it (RFC 9457). `detail` is shown as it is:
 * no internal address, no token, no stack.
 */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(`${code}: ${detail}`, { cause: details.cause });
    this.name = 'ProblemError';
    this.code = code;
    this.detail = detail;
    this.errors = details.errors;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.headers = details.headers ?? {};
  }

  get kind(): ProblemKind {
    return problemKinds[this.code];
  }
}
