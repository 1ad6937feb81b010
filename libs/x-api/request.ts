import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { Agent, buildConnector, Client, type Dispatcher, errors } from 'undici';
import { XUnreachableError } from './errors.ts';

/** One HTTP request to X. */
export interface XRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | readonly Uint8Array[] | undefined;
  /** For everything: connecting, sending, and reading the answer. */
  readonly timeoutMs: number;
  /**
   * Connections to use again. Without it the request gets a connection of its own, which is closed with the answer, so
   * that a reset of an idle one is never mistaken for a lost answer.
   */
  readonly agent?: Agent | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The signal counts only until the first byte leaves: from there on the answer is too precious to give up. */
  readonly onceSentAwaitAnswer?: boolean | undefined;
}

/** What came back, whatever the status; redirects are not followed. */
export interface XResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As far as it arrived, at most 1 MB. */
  readonly body: Buffer;
  /** Why `body` is not whole, or null. */
  readonly cut: Error | null;
}

const maxBodyBytes = 1024 * 1024;
const connectTimeoutMs = 10_000;
/** undici reports "about to write" for HTTP/1.1 alone, so nothing else may be spoken. */
const allowH2 = false;
/** One way to connect for all, so that TLS sessions are resumed. */
const connect = buildConnector({ allowH2, timeout: connectTimeoutMs });

/** Why a connection ends that was there for one request; one for all, since an error costs as much as half a connection. */
const answered = new errors.InformationalError('The answer is here');

/** What is known about one request on its way out. */
interface Sending {
  dispatched: boolean;
  request: object | null;
  headersWritten: boolean;
}
const sendings = new AsyncLocalStorage<Sending>();
const byRequest = new WeakMap<object, Sending>();
let watching = false;

/** Connections that calls without side effects share. Whoever makes it closes it. */
export function createAgent(): Agent {
  return new Agent({ allowH2, connect, keepAliveTimeout: 4000 });
}

/**
 * Sends one request, once, and reads the answer.
 * @throws XUnreachableError when there is no answer; its `sent` is false only with proof that no byte left.
 * @throws the signal's reason when it was aborted, except where `onceSentAwaitAnswer` promises one of the two outcomes.
 */
export async function exchange(request: XRequest): Promise<XResponse> {
  watchSending();
  const sending: Sending = { dispatched: false, request: null, headersWritten: false };
  const abort = new AbortController();
  const timer = setTimeout(
    () => abort.abort(new Error(`No answer within ${request.timeoutMs} ms`)),
    request.timeoutMs,
  );
  const onSignal = () => {
    if (!(request.onceSentAwaitAnswer && sending.headersWritten)) abort.abort(request.signal?.reason);
  };
  // Closed by us with the answer: left to undici, which is told by `pipelining: 0`, that costs an error with its stack.
  const dispatcher = request.agent ?? new Client(request.url.origin, { allowH2, connect });
  try {
    if (request.signal?.aborted) onSignal();
    request.signal?.addEventListener('abort', onSignal, { once: true });
    abort.signal.throwIfAborted();
    sending.dispatched = true;
    const response = await sendings.run(sending, () => send(request, dispatcher, abort.signal));
    return await readAnswer(response, abort.signal);
  } catch (cause) {
    if (request.signal?.aborted && abort.signal.reason === request.signal.reason) {
      if (!request.onceSentAwaitAnswer) throw request.signal.reason;
    }
    throw new XUnreachableError(`X did not answer (${describe(cause)})`, { sent: wasSent(sending), cause });
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', onSignal);
    if (!request.agent) await dispatcher.destroy(answered);
  }
}

function send(
  request: XRequest,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const { method, url, body } = request;
  return dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: { 'user-agent': 'post-to-x', accept: 'application/json', ...request.headers },
    body: typeof body === 'string' || !body ? (body ?? null) : Readable.from(body),
    signal,
    // The one timer above is for all of it.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Once there is a status, a broken body no longer makes the answer unknown: what it lacks is said in `cut`. */
async function readAnswer(response: Dispatcher.ResponseData, signal: AbortSignal): Promise<XResponse> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let cut: Error | null = null;
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBodyBytes) throw new Error('The answer is larger than 1 MB');
    }
  } catch (error) {
    cut = signal.aborted ? asError(signal.reason) : asError(error);
  }
  const body = Buffer.concat(chunks).subarray(0, maxBodyBytes);
  return { status: response.statusCode, headers: response.headers, body, cut };
}

/** Without having seen the request made there is no proof, and it counts as sent. */
function wasSent({ dispatched, request, headersWritten }: Sending): boolean {
  return dispatched && (request === null || headersWritten);
}

/**
 * undici publishes `undici:request:create` in the caller's own context and `undici:client:sendHeaders` right before
 * the first byte is written; the request object ties the two together.
 */
function watchSending(): void {
  if (watching) return;
  watching = true;
  subscribe('undici:request:create', (message) => {
    const sending = sendings.getStore();
    const request = requestOf(message);
    if (!sending || !request || sending.request) return;
    sending.request = request;
    byRequest.set(request, sending);
  });
  subscribe('undici:client:sendHeaders', (message) => {
    const sending = byRequest.get(requestOf(message) ?? {});
    if (sending) sending.headersWritten = true;
  });
}

function requestOf(message: unknown): object | null {
  if (typeof message !== 'object' || message === null || !('request' in message)) return null;
  return typeof message.request === 'object' ? message.request : null;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Only codes and our own words: messages of the network layer name addresses. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return 'aborted';
  if ('code' in cause && typeof cause.code === 'string') return cause.code;
  return cause.message.startsWith('No answer within') ? cause.message : cause.name;
}
