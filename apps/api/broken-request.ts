import type { Server } from 'node:http';
import { problemKinds } from '#libs/problem/problem.ts';

/** What Node's parser makes of a request that is no HTTP (RFC 9112), or of one that takes too long. */
const reasons: Readonly<Record<string, { status: string; detail: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    detail: 'The headers are larger than 16 kB.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: '413 Content Too Large',
    detail: 'The extensions of a chunk are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    detail: 'The headers took too long to arrive.',
  },
};
const malformed = { status: '400 Bad Request', detail: 'This is not a valid HTTP request.' };

/** Answers what never becomes a request as everything else is answered, and ends the connection. */
export function answerBrokenRequests(server: Server, publicUrl: string): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const { status, detail } = reasons[error.code ?? ''] ?? malformed;
    const body = JSON.stringify({
      type: `${publicUrl}/problems/bad_request`,
      title: problemKinds.bad_request.title,
      status: Number.parseInt(status, 10),
      detail,
      instance: '/',
      code: 'bad_request',
      retryable: false,
      action_required: 'none',
    });
    const headers = [
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'X-Content-Type-Options: nosniff',
      'X-Frame-Options: DENY',
      'Referrer-Policy: no-referrer',
      "Content-Security-Policy: default-src 'none';frame-ancestors 'none'",
      ...(publicUrl.startsWith('https:') ? ['Strict-Transport-Security: max-age=63072000'] : []),
      'Connection: close',
    ];
    socket.end(`HTTP/1.1 ${status}\r\n${headers.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  });
}
