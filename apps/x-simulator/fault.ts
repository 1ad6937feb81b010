import type { RequestRecord } from './requests.ts';

/**
 * The moments of a request at which something can happen to it. `committed`: done or refused (`status` says which),
 * but nothing answered yet; `half-answered`: half of the body is out.
 */
export const points = ['received', 'read', 'committed', 'half-answered'] as const;
export type Point = (typeof points)[number];

/** Runs at a point; the request goes on when it is over, or when the client is gone. */
export type Hook = (request: RequestRecord) => void | Promise<void>;

/** An answer that is not X's own. */
interface FaultAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Adds the three `x-rate-limit-*` headers of a full window that ends so many seconds from now. */
  readonly rateLimitResetSeconds?: number;
}

/** What goes wrong with one request; its parts combine, and hooks apart it is plain JSON. */
export interface Fault {
  /** Waits before anything of the request is read. */
  readonly delayMs?: number;
  /**
   * Resets the connection: before reading, in the middle of the body, when it is read but not acted upon, when it
   * is acted upon, or with half of the answer out.
   */
  readonly cut?: 'received' | 'reading' | 'read' | 'committed' | 'half-answered';
  /** Instead of acting; with `acts`, after acting. */
  readonly answer?: FaultAnswer;
  readonly acts?: boolean;
  /**
   * What becomes of the answer's body. `truncated`: the connection ends half-way; `half-json`: half of it with a
   * length that fits; `wrong-length`: ten bytes fewer than announced; `garbage`: random bytes; `empty`: none.
   */
  readonly spoil?: 'truncated' | 'half-json' | 'wrong-length' | 'garbage' | 'empty';
  /** Lets the body out bit by bit. */
  readonly trickle?: { readonly bytes: number; readonly everyMs: number };
  readonly hooks?: Partial<Record<Point, Hook>>;
}

/** Several faults as one; where two disagree the later wins. */
export function together(...faults: readonly Fault[]): Fault {
  const hooks = Object.assign({}, ...faults.map((fault) => fault.hooks ?? {}));
  return { ...Object.assign({}, ...faults), hooks };
}

/** A fault in one line, for the request log. */
export function describeFault({ hooks = {}, ...parts }: Fault): string {
  return JSON.stringify({ ...parts, hooks: Object.keys(hooks) });
}

/** Answers this, and does nothing of what was asked. */
export function answer(status: number, body?: unknown, headers: Record<string, string> = {}): Fault {
  return { answer: { status, body, headers }, acts: false };
}

/** Does what was asked, then answers this all the same. */
export function actThenAnswer(status: number, body?: unknown, headers: Record<string, string> = {}): Fault {
  return { answer: { status, body, headers }, acts: true };
}

/** Resets the connection before a byte of the body is read. */
export function dropUnread(): Fault {
  return { cut: 'received' };
}

/** Resets the connection in the middle of the request's body. */
export function dropWhileReading(): Fault {
  return { cut: 'reading' };
}

/** Reads the request, does nothing, resets the connection. */
export function dropWithoutActing(): Fault {
  return { cut: 'read' };
}

/** Does what was asked, then resets the connection without an answer. */
export function actThenDrop(): Fault {
  return { cut: 'committed' };
}

/** Does what was asked, then breaks off in the middle of the answer. */
export function actThenDropHalfAnswered(): Fault {
  return { cut: 'half-answered' };
}

export function delay(delayMs: number): Fault {
  return { delayMs };
}

/** Acts, then spoils the answer. */
export function spoil(how: NonNullable<Fault['spoil']>): Fault {
  return { spoil: how };
}

/** Acts, then answers `bytes` at a time. */
export function trickle(bytes: number, everyMs: number): Fault {
  return { trickle: { bytes, everyMs } };
}

/** Runs `hook` at a point of the request. */
export function at(point: Point, hook: Hook): Fault {
  return { hooks: { [point]: hook } };
}

/** The empty 413 that a segment too large meets. */
export function tooLarge(): Fault {
  return answer(413);
}

/** 429; without `resetSeconds` nothing says until when. */
export function rateLimited(resetSeconds?: number): Fault {
  const body = { title: 'Too Many Requests', detail: 'Too Many Requests', type: 'about:blank', status: 429 };
  return {
    answer: {
      status: 429,
      body,
      ...(resetSeconds === undefined ? {} : { rateLimitResetSeconds: resetSeconds }),
    },
    acts: false,
  };
}

/** 429 of an app that has used up its month. */
export function usageCapped(): Fault {
  return answer(429, {
    title: 'UsageCapExceeded',
    detail: 'Usage cap exceeded: Monthly product cap',
    type: 'https://api.x.com/2/problems/usage-capped',
    period: 'Monthly',
    scope: 'Product',
  });
}

/** 402 of an app without credits. */
export function outOfCredits(): Fault {
  return answer(402, {
    account_id: '1000000000000000000',
    title: 'CreditsDepleted',
    detail: 'Your enrolled account [1000000000000000000] does not have any credits to fulfill this request.',
    type: 'https://api.x.com/2/problems/credits',
  });
}

/** 403 of an app that is not enrolled in a package. */
export function clientForbidden(): Fault {
  return answer(403, {
    client_id: '1',
    title: 'Client Forbidden',
    detail:
      'This request must be made using an approved developer account that is enrolled in the requested endpoint.',
    type: 'https://api.x.com/2/problems/client-forbidden',
    reason: 'client-not-enrolled',
    required_enrollment: 'Appropriate Level of API Access',
    registration_url: 'https://developer.x.com/en/docs/projects/overview',
  });
}

/** 503 as X's edge words it: as a problem, as a page, or with nothing. */
export function unavailable(as: 'json' | 'html' | 'empty' = 'json'): Fault {
  if (as === 'empty') return answer(503);
  if (as === 'html')
    return answer(503, '<html><body><h1>503 Service Unavailable</h1></body></html>', {
      'content-type': 'text/html',
    });
  const problem = { title: 'Service Unavailable', detail: 'Service Unavailable', type: 'about:blank' };
  return answer(503, { ...problem, status: 503 });
}
