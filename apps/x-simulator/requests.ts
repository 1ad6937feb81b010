import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Ledger } from './ledger.ts';

/** One request that reached the simulator, and how far it came. */
export interface RequestRecord {
  /** 1 for the first request since the last reset. */
  readonly number: number;
  /** Epoch ms of the simulator's clock. */
  readonly receivedAt: number;
  readonly method: string;
  readonly path: string;
  /** The query string as it came, without `?`. */
  readonly query: string;
  /** The endpoint's pattern, such as `DELETE /2/tweets/:id`. */
  readonly endpoint: string;
  readonly headers: IncomingHttpHeaders;
  /** Whose token it carried, if that token exists (even expired). */
  userId: string | null;
  clientId: string | null;
  bodyBytes: number;
  bodySha256: string | null;
  /** The body itself where it is text of at most 32 KiB. */
  bodyText: string | null;
  /** `acted`: the simulator did what was asked or refused it, nothing is answered yet. `cut`: never answered in full. */
  phase: 'received' | 'read' | 'acted' | 'answered' | 'cut';
  /** What was answered, or would have been. */
  status: number | null;
  durationMs: number | null;
  /** The fault that was played, in short. */
  fault: string | null;
}

/** Every request in order. */
export type RequestLog = Ledger<RequestRecord>;

export function createRequestLog(): RequestLog {
  return new Ledger<RequestRecord>(
    (entry) => `${entry.number} ${entry.method} ${entry.path} ${entry.phase} ${entry.status ?? '-'}`,
  );
}

/** Notes what a request's body was. */
export function recordBody(record: RequestRecord, body: Buffer): void {
  record.bodyBytes = body.length;
  record.bodySha256 = createHash('sha256').update(body).digest('hex');
  const isText = /json|urlencoded|^text\//.test(record.headers['content-type'] ?? '');
  record.bodyText = isText && body.length <= 32_768 ? body.toString('utf8') : null;
  record.phase = 'read';
}
