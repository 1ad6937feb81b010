import type { Agent } from 'undici';
import { parseDate, parseRateLimits, toXAnswerError, transactionIdOf } from './answer.ts';
import { XAnswerError, XUnreachableError } from './errors.ts';
import { exchange, type XRequest, type XResponse } from './request.ts';
import type { XCall, XEndpoint, XExchange } from './x-api.ts';

/** Sends one authorized request to a path below `/2/`; resolves for any 2xx, and tells the call's `observe`. */
export type Send = (
  endpoint: XEndpoint,
  call: XCall,
  request: Pick<XRequest, 'method'> & Partial<XRequest> & { readonly path: string },
) => Promise<XResponse>;

/** Each request goes to X at `apiUrl`, over `agent` unless it says otherwise. */
export function createSend(options: {
  apiUrl: string;
  agent: Agent;
  timeoutMs: number;
  observe?: XCall['observe'];
}): Send {
  const base = `${options.apiUrl.replace(/\/+$/, '')}/2/`;
  return async (endpoint, call, { path, headers, ...request }) => {
    const startedAt = performance.now();
    const tell = (response: XResponse | null, refusal?: XAnswerError | null) => {
      const told = {
        ...toExchange(endpoint, response, performance.now() - startedAt),
        problem: refusal?.type,
        retryAfterMs: refusal?.retryAfterMs,
      };
      report(options, told);
      report(call, told);
    };
    try {
      const response = await exchange({
        timeoutMs: options.timeoutMs,
        agent: options.agent,
        signal: call.signal,
        ...request,
        url: new URL(base + path),
        headers: { authorization: `Bearer ${call.token}`, ...headers },
      });
      const refusal = response.status < 200 || response.status > 299 ? toXAnswerError(response) : null;
      tell(response, refusal);
      if (refusal) throw refusal;
      return response;
    } catch (error) {
      if (!(error instanceof XAnswerError)) tell(null);
      throw error;
    }
  };
}

/** The parts of a POST with a JSON body. */
export function postJson(path: string, body: object | string) {
  return {
    method: 'POST',
    path,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  } as const;
}

/** A success that cannot be read is as good as none. */
export function read<T>(response: XResponse, parse: (body: string) => T): T {
  if (response.cut) throw new XUnreachableError("X's answer broke off", { sent: true, cause: response.cut });
  try {
    return parse(response.body.toString('utf8'));
  } catch (cause) {
    throw new XUnreachableError("X's answer could not be read", { sent: true, cause });
  }
}

function toExchange(endpoint: XEndpoint, response: XResponse | null, durationMs: number): XExchange {
  const at = Date.now();
  if (!response)
    return { endpoint, status: null, at, durationMs, rateLimits: [], date: null, transactionId: null };
  const { status, headers } = response;
  return {
    endpoint,
    status,
    at,
    durationMs,
    rateLimits: parseRateLimits(headers, status),
    date: parseDate(headers.date),
    transactionId: transactionIdOf(headers),
  };
}

/** A listener that fails must not cost the answer of a post that exists. */
function report(call: Pick<XCall, 'observe'>, told: XExchange): void {
  try {
    call.observe?.(told);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
