import type { Readable } from 'node:stream';
import { ProblemError } from '#libs/problem/problem.ts';

/** All that is sent to be read at once is small: a client that takes longer holds a connection for nothing. */
const mostMs = 30_000;
/** How long the answer to such a client has to leave. */
const partingMs = 1000;

/**
 * Reads a body whole, by its events: an iterator over the request takes several times as long. `tooLarge` is said of one
 * of more than `mostBytes`.
 * @throws {ProblemError} body_too_large; bad_request when it breaks off or takes more than 30 s
 */
export function readBody(request: Readable, mostBytes: number, tooLarge: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= mostBytes) chunks.push(chunk);
    else {
      // What else comes is passed over, until the answer closes the connection.
      request.off('data', take).resume();
      reject(new ProblemError('body_too_large', tooLarge));
    }
  };
  const brokeOff = (cause?: Error) => {
    clearTimeout(slow);
    reject(new ProblemError('bad_request', 'The body broke off.', { cause }));
  };
  const slow = setTimeout(() => {
    // The same, and the connection ends whatever stands in the answer.
    request.off('data', take).resume();
    setTimeout(() => request.destroy(), partingMs).unref();
    const detail = `The body did not arrive within ${mostMs / 1000} seconds.`;
    reject(new ProblemError('bad_request', detail, { headers: { Connection: 'close' } }));
  }, mostMs);
  request
    .on('data', take)
    .once('end', () => {
      clearTimeout(slow);
      request.off('close', brokeOff);
      resolve(Buffer.concat(chunks));
    })
    .once('error', brokeOff)
    .once('close', brokeOff);
  // Whoever hung up before the first of its bytes was asked for is not told of again.
  if (request.destroyed) brokeOff();
  return promise;
}
