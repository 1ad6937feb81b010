import type { Readable } from 'node:stream';
import { type Agent, type Dispatcher, errors, request } from 'undici';
import { ProblemError } from '#libs/problem/problem.ts';
import { header, redirectOf, retryAfterMs, statedLength } from './answer-headers.ts';
import { BrokenBodyError, bringBody } from './bring-body.ts';
import { NotConnectedError, type Timeouts } from './guarded-agent.ts';
import { type HostRules, parseMediaUrl } from './media-url.ts';
import { type Sink, upTo } from './sink.ts';

const maxRedirects = 3;
/** How far the network may be ahead of who takes a body: two of its pieces, so that not each of them stops the other side. */
const aheadBytes = 128 * 1024;

/** A successful answer whose body has not been read yet. */
export interface Answer {
  /** What the host stated; null when it did not. */
  readonly totalBytes: number | null;
  readonly contentType: string | null;
  /**
   * Brings the body to a sink, and ends with `media_too_large` at the first byte too many. Rejects with the sink's error
   * where that fails; settles no earlier than the sink has let go of the last piece.
   */
  bringTo(sink: Sink): Promise<void>;
  /** Gives the connection up if the body was not read, or not to its end: to be called in any case. */
  leave(): void;
}

/** Another try may help; `problem` is what to say when there is none left. */
export class RetryableAnswerError extends Error {
  readonly problem: ProblemError;
  readonly retryAfterMs: number;

  constructor(problem: ProblemError, retryAfterMs = 0) {
    super(problem.message, { cause: problem });
    this.name = 'RetryableAnswerError';
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Asks for a URL and follows its redirects unless told not to, each hop judged anew. Rejects with the signal's reason when it fires. */
export type Exchange = (
  url: string,
  maxBytes: number,
  signal: AbortSignal,
  redirects?: boolean,
) => Promise<Answer>;

/** Creates the exchange over an agent that judges connections. */
export function createExchange(agent: Agent, rules: HostRules, timeouts: Timeouts): Exchange {
  // Headers that come byte by byte keep the agent's own timer going, not this one.
  const hopTimeoutMs = timeouts.resolveMs + timeouts.connectMs + timeouts.headersMs;
  return async (url, maxBytes, signal, redirects = true) => {
    let next = url;
    for (let hop = 0; hop <= (redirects ? maxRedirects : 0); hop += 1) {
      const target = parseMediaUrl(next, rules);
      if (!target) throw notUsable(hop);
      const response = await send(agent, target, hop, { signal, hopTimeoutMs });
      const location = redirectOf(response);
      if (location === null) return readAnswer(response, maxBytes, signal);
      discard(response);
      next = URL.parse(location, target.href)?.href ?? '';
    }
    throw redirectProblem();
  };
}

async function send(
  agent: Agent,
  url: URL,
  hop: number,
  { signal, hopTimeoutMs }: { signal: AbortSignal; hopTimeoutMs: number },
): Promise<Dispatcher.ResponseData> {
  const slow = new AbortController();
  const timer = setTimeout(() => slow.abort(hostStopped()), hopTimeoutMs);
  const stop = AbortSignal.any([signal, slow.signal]);
  try {
    // A fixed set of headers: no cookie, no authorization, nothing of an earlier hop. Identity, because what is
    // counted and hashed must be what is uploaded.
    const answering = request(url, {
      dispatcher: agent,
      method: 'GET',
      highWaterMark: aheadBytes,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'post-to-x' },
      signal: stop,
    });
    return await unlessStopped(answering, stop);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof NotConnectedError) throw notUsable(hop, error);
    throw slow.signal.aborted ? slow.signal.reason : brokenOff(error);
  } finally {
    clearTimeout(timer);
  }
}

type Answering = Promise<Dispatcher.ResponseData>;

/** undici does not hear a signal while a request waits for a free connection: whatever comes after it is left. */
async function unlessStopped(answering: Answering, stop: AbortSignal): Answering {
  const stopped = Promise.withResolvers<never>();
  const giveUp = () => {
    stopped.reject(stop.reason);
    answering.then(discard, () => {});
  };
  stop.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([answering, stopped.promise]);
  } finally {
    stop.removeEventListener('abort', giveUp);
  }
}

function readAnswer(response: Dispatcher.ResponseData, maxBytes: number, signal: AbortSignal): Answer {
  const problem = refusal(response, maxBytes);
  if (problem) {
    discard(response);
    throw problem;
  }
  return {
    totalBytes: statedLength(response),
    contentType: header(response, 'content-type'),
    bringTo: (sink) => bring(response.body, upTo(maxBytes, sink, tooLarge), signal),
    leave: () => discard(response),
  };
}

function refusal(response: Dispatcher.ResponseData, maxBytes: number): Error | null {
  const status = response.statusCode;
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return new RetryableAnswerError(
      new ProblemError('media_unreachable', `The media host answered ${status}. Try again later.`),
      retryAfterMs(response),
    );
  if (status < 200 || status >= 300)
    return new ProblemError(
      'media_not_found',
      `The media host answered ${status}. Send an address that opens the file itself without signing in.`,
    );
  const encoding = header(response, 'content-encoding') ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity')
    return new ProblemError(
      'media_unsupported',
      'The media host sent compressed content although plain content was asked for. Send the file from elsewhere.',
    );
  return (statedLength(response) ?? 0) > maxBytes ? tooLarge(maxBytes) : null;
}

async function bring(body: Readable, sink: Sink, signal: AbortSignal): Promise<void> {
  try {
    await bringBody(body, sink);
  } catch (error) {
    if (!(error instanceof BrokenBodyError)) throw error;
    throw signal.aborted ? signal.reason : brokenOff(error.cause);
  }
}

/** The same answer for what we refuse and for what refuses us: neither tells anything about a network behind us. */
function notUsable(hop: number, cause?: unknown): RetryableAnswerError {
  if (hop > 0) return new RetryableAnswerError(redirectProblem(cause));
  return new RetryableAnswerError(
    new ProblemError(
      'media_url_forbidden',
      'The media address cannot be used: it must be a public https address whose host answers.',
      { cause },
    ),
  );
}

function redirectProblem(cause?: unknown): ProblemError {
  return new ProblemError(
    'media_redirect',
    `The media address redirects more than ${maxRedirects} times, or to an address that cannot be used.`,
    { cause },
  );
}

function brokenOff(cause: unknown): Error {
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError)
    return hostStopped(cause);
  return new RetryableAnswerError(
    new ProblemError('media_unreachable', 'The media host broke off its answer. Try again later.', { cause }),
  );
}

function hostStopped(cause?: unknown): ProblemError {
  return new ProblemError('media_timeout', 'The media host stopped sending. Try again later.', { cause });
}

function tooLarge(maxBytes: number): ProblemError {
  const megabytes = Math.floor(maxBytes / 1024 / 1024);
  const limit = megabytes > 0 ? `${megabytes} MB` : `${maxBytes} bytes`;
  return new ProblemError('media_too_large', `The file is larger than ${limit}. Send a smaller one.`);
}

function discard(response: Dispatcher.ResponseData): void {
  // An unread body would hold its connection; its errors no longer concern anybody.
  response.body.on('error', () => {});
  response.body.destroy();
}
