import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';

/**
 * Keeps what is asked of a server that listens already and cannot answer yet, as its own address is needed for that:
 * without a listener Node.js would leave such a request without an answer. Gives what names the one who answers, who gets
 * what was kept first.
 */
export function holdRequests(server: Server): (handle: RequestListener) => void {
  const held: [IncomingMessage, ServerResponse][] = [];
  const hold = (...asked: [IncomingMessage, ServerResponse]) => void held.push(asked);
  // What a request expects beyond `100-continue` may be ignored (RFC 9110 section 10.1.1).
  const events = ['request', 'checkExpectation'] as const;
  for (const event of events) server.on(event, hold);
  return (handle) => {
    for (const event of events) server.off(event, hold).on(event, handle);
    for (const asked of held.splice(0)) handle(...asked);
  };
}
