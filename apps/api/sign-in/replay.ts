import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { askProvider } from './outside.ts';

/** Puts the request to oidc-provider with another body, on a stream of its own, as the first one has been read. */
export async function askWithBody(
  provider: Provider,
  ctx: Context,
  { type, text }: { readonly type: string; readonly text: string },
): Promise<void> {
  const body = Buffer.from(text);
  const original = ctx.req;
  const { headers } = original;
  headers['content-type'] = type;
  headers['content-length'] = String(body.length);
  // Errors are JSON here, whoever asks.
  headers.accept = 'application/json';
  delete headers['transfer-encoding'];
  // Whoever sends an Origin is served like anybody else, and pages elsewhere may not read the answer.
  delete headers.origin;
  // On no socket, lest the real one is closed when this has been read.
  const replay = new IncomingMessage(new Socket());
  replay.headers = headers;
  replay.push(body);
  replay.push(null);
  ctx.req = replay;
  try {
    await askProvider(provider, ctx);
  } finally {
    ctx.req = original;
    for (const name of ['Allow-Origin', 'Expose-Headers']) ctx.remove(`Access-Control-${name}`);
    ctx.remove('Vary');
  }
}
