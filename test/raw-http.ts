import { connect, type Socket } from 'node:net';

/** An answer as it stands on the wire. */
interface Raw {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** What every answer says besides, refusals included. */
export const securityHeaders = [
  /^strict-transport-security: max-age=\d{7,}/im,
  /^x-content-type-options: nosniff/im,
  /^content-security-policy: .*default-src 'none'/im,
  /^x-frame-options: deny/im,
  /^referrer-policy: no-referrer/im,
];

/** A connection on which bytes are sent as they are. */
export function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  // Half-open: a client that has said all it will say still hears the answer.
  return connect({ port: Number(port), host: hostname, allowHalfOpen: true }).on('error', () => {});
}

/** Sends bytes as they are, and reads the first answer. */
export async function send(url: string, bytes: string | Buffer, { end = false } = {}): Promise<Raw> {
  const socket = open(url);
  try {
    if (end) socket.end(bytes);
    else socket.write(bytes);
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      text += chunk;
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (text.includes('\r\n\r\n') && body.length >= length) break;
    }
    const [head = '', body = ''] = text.split('\r\n\r\n');
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body };
  } finally {
    socket.destroy();
  }
}

/** `POST /postTweet` with these lines instead of the usual length. */
export const posting = (token: string, lines: readonly string[], body: string) =>
  [
    'POST /postTweet HTTP/1.1',
    'Host: posts.example.com',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    ...lines,
    '',
    body,
  ].join('\r\n');
