import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Fault } from './fault.ts';
import type { Reply } from './refusals.ts';
import { waitMs } from './wait.ts';

/** Puts an answer on the wire, spoilt as the fault says; false where it did not go out in full. */
export async function writeAnswer(
  response: ServerResponse,
  reply: Reply,
  options: {
    readonly fault: Fault;
    readonly now: number;
    readonly atHalf: (() => Promise<void>) | undefined;
  },
): Promise<boolean> {
  const { fault, now, atHalf } = options;
  const full = toBytes(reply.body);
  const { bytes, announced } = spoilBytes(full, fault.spoil);
  const { rateLimitResetSeconds } = fault.answer ?? {};
  response.writeHead(reply.status, {
    date: new Date(now).toUTCString(),
    'x-transaction-id': randomBytes(8).toString('hex'),
    ...(rateLimitResetSeconds === undefined ? {} : fullWindow(now + rateLimitResetSeconds * 1000)),
    ...(full.length > 0 ? { 'content-type': contentTypeOf(reply.body) } : {}),
    ...(reply.status === 204 ? {} : { 'content-length': String(announced) }),
    ...reply.headers,
  });
  response.flushHeaders();
  const half = Math.ceil(bytes.length / 2);
  await write(response, bytes.subarray(0, half), fault.trickle);
  await atHalf?.();
  if (fault.cut === 'half-answered') return breakOff(response);
  await write(response, bytes.subarray(half), fault.trickle);
  if (bytes.length < announced) return breakOff(response);
  return end(response);
}

function toBytes(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function contentTypeOf(body: unknown): string {
  if (Buffer.isBuffer(body)) return 'application/octet-stream';
  return typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
}

function spoilBytes(full: Buffer, how: Fault['spoil']): { bytes: Buffer; announced: number } {
  const half = full.subarray(0, Math.ceil(full.length / 2));
  switch (how) {
    case 'truncated':
      return { bytes: half, announced: full.length };
    case 'half-json':
      return { bytes: half, announced: half.length };
    case 'wrong-length':
      return { bytes: full, announced: full.length + 10 };
    case 'garbage': {
      const noise = randomBytes(Math.max(32, full.length));
      return { bytes: noise, announced: noise.length };
    }
    case 'empty':
      return { bytes: Buffer.alloc(0), announced: 0 };
    default:
      return { bytes: full, announced: full.length };
  }
}

function fullWindow(resetAt: number): Record<string, string> {
  return {
    'x-rate-limit-limit': '100',
    'x-rate-limit-remaining': '0',
    'x-rate-limit-reset': String(Math.ceil(resetAt / 1000)),
  };
}

async function write(response: ServerResponse, bytes: Buffer, pace: Fault['trickle']): Promise<void> {
  const step = pace ? Math.max(1, pace.bytes) : Math.max(1, bytes.length);
  for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
    if (pace) await waitMs(pace.everyMs, response);
    // The callback also comes, with an error, when the client is gone.
    await new Promise((done) => response.write(bytes.subarray(at, at + step), done));
  }
}

/** Ends the connection with the answer unfinished; what was written still arrives. */
function breakOff(response: ServerResponse): boolean {
  response.socket?.destroySoon();
  return false;
}

async function end(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return false;
  return new Promise((resolve) => {
    response.once('close', () => resolve(response.writableFinished));
    response.once('finish', () => resolve(true));
    response.end();
  });
}
